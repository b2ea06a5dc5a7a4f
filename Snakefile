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
        "results/table2.csv",
        "results/table3.csv",
        "results/lambda.csv",
        "results/interpretability.csv",
        rules.draw_puppets.output,
        rules.render_untrimmed.output,
        rules.draw_training.output,
        rules.draw_captions.output,
        rules.draw_lambda.output,
        "results/refinement.csv",
        rules.draw_refinement.output,
        rules.refined_captioner.input,
        rules.draw_activations.output,
        rules.draw_neurons.output,
        rules.draw_tradeoff.output,
        "results/grounding/table1.csv",
        rules.score_concatenated.output,
        rules.score_untrimmed.output,
        "results/grounding/table5.csv",
        "results/grounding/captions.csv",
        rules.draw_words.output,
        rules.score_benchmark.output,
        "results/gradcam/table1.csv",
        rules.draw_strips.output,
        rules.score_dissection.output,
        rules.draw_dissection.output,
        rules.explain_mistakes.output,
        "results/dissection/regions.csv",
        rules.draw_aviary.output,
        rules.mine_attributes.output,
        rules.score_summaries.output,
        rules.draw_summaries.output,
        rules.score_faithfulness.output if RENDERED["summaries"] else [],
        "results/dissection/region-quality.csv",
