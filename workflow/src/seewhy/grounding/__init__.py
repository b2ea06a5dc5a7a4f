"""Where and when a recurrent network saw its evidence (Bargal et al., CVPR 2018)."""
