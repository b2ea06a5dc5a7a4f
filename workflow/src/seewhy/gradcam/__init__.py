"""Recurrent Grad-CAM: gradients across time as weights of feature maps (Yamashita et al.)."""
