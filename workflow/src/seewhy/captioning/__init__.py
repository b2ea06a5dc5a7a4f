"""The captioner of Dong et al. (CVPR 2017): model, training, decoding and its tables."""
