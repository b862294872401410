"""LightGBM with quantised gradients (its paper's settings): 4 levels, stochastic rounding, leaf values from the
unrounded gradients."""

from peers.library import main
from peers.lightgbm_peer import LightGBM

if __name__ == "__main__":
    main(
        LightGBM(use_quantized_grad=True, num_grad_quant_bins=4, quant_train_renew_leaf=True, stochastic_rounding=True)
    )
