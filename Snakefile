from snakemake.utils import min_version

min_version("9.0")


# params.yaml is read there, not by `configfile:`, which would run templates in it.
include: "workflow/rules/common.smk"
include: "workflow/rules/worlds.smk"
include: "workflow/rules/corpus.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/topics.smk"
include: "workflow/rules/captioning.smk"
include: "workflow/rules/neurons.smk"
include: "workflow/rules/refinement.smk"
include: "workflow/rules/transfer.smk"
include: "workflow/rules/grounding.smk"
include: "workflow/rules/untrimmed.smk"
include: "workflow/rules/words.smk"
include: "workflow/rules/dissection.smk"
include: "workflow/rules/summaries.smk"
include: "workflow/rules/bench.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        "results/table1.csv",
        possible("results/table2.csv"),
        "results/table3.csv",
        possible("results/lambda.csv"),
        possible("results/interpretability.csv"),
        rules.draw_puppets.output,
        rules.render_untrimmed.output,
        rules.draw_training.output,
        rules.draw_captions.output,
        possible(rules.draw_lambda.output),
        possible("results/refinement.csv"),
        possible(rules.draw_refinement.output),
        rules.refined_captioner.input,
        possible(rules.draw_activations.output),
        possible(rules.draw_neurons.output),
        possible(rules.draw_tradeoff.output),
        possible("results/grounding/table1.csv"),
        possible(rules.score_concatenated.output),
        possible(rules.score_untrimmed.output),
        possible("results/grounding/table5.csv"),
        possible("results/grounding/captions.csv"),
        possible(rules.draw_words.output),
        possible(rules.score_benchmark.output),
        possible("results/gradcam/table1.csv"),
        possible(rules.draw_strips.output),
        rules.score_dissection.output,
        rules.draw_dissection.output,
        rules.explain_mistakes.output if EXPLAINS else [],
        "results/dissection/regions.csv"
        if "data/dissection/sets/actions" in OWN_SETS.values()
        else [],
        rules.draw_aviary.output,
        rules.mine_attributes.output,
        rules.score_summaries.output,
        rules.draw_summaries.output,
        rules.score_faithfulness.output if RENDERED["summaries"] else [],
        "results/dissection/region-quality.csv" if made_of_puppets(DISSECTION) else [],


check_targets()
