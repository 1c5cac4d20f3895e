//! Reductions along axes, sums and products along one, and the largest elements.

mod arg;
mod axes;
mod cumulative;
mod reductions;
mod rule;
#[cfg(test)]
mod tests;
mod top_k;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::zero("ArgMax", arg::parse_max),
        Row::zero("ArgMin", arg::parse_min),
        Row::exact("CumProd", cumulative::parse_product),
        Row::exact("CumSum", cumulative::parse_sum),
        Row::exact("ReduceL1", reductions::l1),
        Row::exact("ReduceL2", reductions::l2),
        Row::exact("ReduceLogSum", reductions::log_sum),
        Row::exact("ReduceLogSumExp", reductions::log_sum_exp),
        Row::exact("ReduceMax", reductions::max),
        Row::exact("ReduceMean", reductions::mean).with_layer(reductions::mean_layer),
        Row::exact("ReduceMin", reductions::min),
        Row::exact("ReduceProd", reductions::product),
        Row::exact("ReduceSum", reductions::sum),
        Row::exact("ReduceSumSquare", reductions::sum_square),
        Row::exact("TopK", top_k::parse),
    ]
}
