//! The rows: name, technique, access, norms, parameters, paper, and how to build it.

use scoville_kernels::{Loss, Norm};

use super::{Access, Algorithm, Row, real, whole};
use crate::evasion::{apgd::apgd, bim::bim, fgsm::fgsm, mi_fgsm::mi_fgsm, pgd::pgd};
use crate::evasion::{cw::CarliniWagner, ddn::Ddn, deepfool::DeepFool, fmn::Fmn};
use crate::evasion::{fab::Fab, square::Square};
use crate::evasion::{
    ni_fgsm::ni_fgsm, si_ni_fgsm::si_ni_fgsm, ti_fgsm::ti_fgsm, vmi_fgsm::vmi_fgsm,
};

const BOTH: &[Norm] = &[Norm::Linf, Norm::L2];
const LINF: &[Norm] = &[Norm::Linf];
const L2: &[Norm] = &[Norm::L2];
const WHITE_BOX: &str = "AML.T0043.000";
const BLACK_BOX: &str = "AML.T0043.001";

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[],
        paper: "Goodfellow 2015, arXiv:1412.6572",
        build: |_| Algorithm::WhiteBox(Box::new(fgsm())),
    },
    Row {
        name: "bim",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[whole("steps", 10.0, 1e6), real("step", 0.2, (1e-6, 10.0))],
        paper: "Kurakin 2017, arXiv:1607.02533",
        build: |v| Algorithm::WhiteBox(Box::new(bim(v.whole("steps"), v.real("step")))),
    },
    Row {
        name: "pgd",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[
            whole("steps", 40.0, 1e6),
            real("step", 0.25, (1e-6, 10.0)),
            whole("restarts", 1.0, 1e4),
        ],
        paper: "Madry 2018, arXiv:1706.06083",
        build: |v| {
            let attack = pgd(v.whole("steps"), v.real("step"), v.whole("restarts"));
            Algorithm::WhiteBox(Box::new(attack))
        },
    },
    Row {
        name: "mi-fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[whole("steps", 10.0, 1e6), real("decay", 1.0, (0.0, 10.0))],
        paper: "Dong 2018, arXiv:1710.06081",
        build: |v| Algorithm::WhiteBox(Box::new(mi_fgsm(v.whole("steps"), v.real("decay")))),
    },
    Row {
        name: "ni-fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: LINF,
        least_classes: 2,
        parameters: &[whole("steps", 10.0, 1e6), real("decay", 1.0, (0.0, 10.0))],
        paper: "Lin 2020, arXiv:1908.06281",
        build: |v| {
            let (steps, decay) = (v.whole("steps"), v.real("decay"));
            Algorithm::WhiteBox(Box::new(ni_fgsm(steps, decay)))
        },
    },
    Row {
        name: "si-ni-fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: LINF,
        least_classes: 2,
        parameters: &[
            whole("steps", 10.0, 1e6),
            real("decay", 1.0, (0.0, 10.0)),
            whole("scales", 5.0, 32.0),
        ],
        paper: "Lin 2020, arXiv:1908.06281",
        build: |v| {
            let (steps, decay) = (v.whole("steps"), v.real("decay"));
            Algorithm::WhiteBox(Box::new(si_ni_fgsm(steps, decay, v.whole("scales"))))
        },
    },
    Row {
        name: "vmi-fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[
            whole("steps", 10.0, 1e6),
            real("decay", 1.0, (0.0, 10.0)),
            whole("neighbours", 20.0, 1e4),
            real("reach", 1.5, (1e-6, 1e3)),
        ],
        paper: "Wang 2021, arXiv:2103.15571",
        build: |v| {
            let (steps, decay) = (v.whole("steps"), v.real("decay"));
            let (neighbours, reach) = (v.whole("neighbours"), v.real("reach"));
            Algorithm::WhiteBox(Box::new(vmi_fgsm(steps, decay, neighbours, reach, false)))
        },
    },
    Row {
        name: "vni-fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: LINF,
        least_classes: 2,
        parameters: &[
            whole("steps", 10.0, 1e6),
            real("decay", 1.0, (0.0, 10.0)),
            whole("neighbours", 20.0, 1e4),
            real("reach", 1.5, (1e-6, 1e3)),
        ],
        paper: "Wang 2021, arXiv:2103.15571",
        build: |v| {
            let (steps, decay) = (v.whole("steps"), v.real("decay"));
            let (neighbours, reach) = (v.whole("neighbours"), v.real("reach"));
            Algorithm::WhiteBox(Box::new(vmi_fgsm(steps, decay, neighbours, reach, true)))
        },
    },
    Row {
        name: "ti-fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[
            whole("steps", 10.0, 1e6),
            real("decay", 1.0, (0.0, 10.0)),
            whole("radius", 7.0, 100.0),
        ],
        paper: "Dong 2019, arXiv:1904.02884",
        build: |v| {
            let (steps, decay) = (v.whole("steps"), v.real("decay"));
            Algorithm::WhiteBox(Box::new(ti_fgsm(steps, decay, v.whole("radius"))))
        },
    },
    Row {
        name: "apgd-ce",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[whole("steps", 100.0, 1e6), whole("restarts", 1.0, 1e4)],
        paper: "Croce 2020, arXiv:2003.01690",
        build: |v| {
            let attack = apgd(Loss::CrossEntropy, v.whole("steps"), v.whole("restarts"));
            Algorithm::WhiteBox(Box::new(attack))
        },
    },
    Row {
        name: "apgd-dlr",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: Loss::Dlr.least_classes(),
        parameters: &[whole("steps", 100.0, 1e6), whole("restarts", 1.0, 1e4)],
        paper: "Croce 2020, arXiv:2003.01690",
        build: |v| {
            let attack = apgd(Loss::Dlr, v.whole("steps"), v.whole("restarts"));
            Algorithm::WhiteBox(Box::new(attack))
        },
    },
    Row {
        name: "apgd-t",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: Loss::TargetedDlr.least_classes(),
        parameters: &[whole("steps", 100.0, 1e6), whole("targets", 9.0, 1e4)],
        paper: "Croce 2020, arXiv:2003.01690",
        build: |v| {
            let attack = apgd(Loss::TargetedDlr, v.whole("steps"), v.whole("targets"));
            Algorithm::WhiteBox(Box::new(attack))
        },
    },
    Row {
        name: "fab-t",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: Loss::TargetedMargin.least_classes(),
        parameters: &[
            whole("steps", 100.0, 1e6),
            whole("targets", 9.0, 1e4),
            whole("restarts", 1.0, 1e4),
        ],
        paper: "Croce 2020, arXiv:1907.02044",
        build: |v| {
            Algorithm::WhiteBox(Box::new(Fab {
                steps: v.whole("steps"),
                targets: v.whole("targets"),
                restarts: v.whole("restarts"),
            }))
        },
    },
    Row {
        name: "deepfool",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[
            whole("steps", 50.0, 1e6),
            whole("candidates", 9.0, 1e4),
            real("overshoot", 0.02, (0.0, 10.0)),
        ],
        paper: "Moosavi-Dezfooli 2016, arXiv:1511.04599",
        build: |v| {
            Algorithm::WhiteBox(Box::new(DeepFool {
                steps: v.whole("steps"),
                candidates: v.whole("candidates"),
                overshoot: v.real("overshoot"),
            }))
        },
    },
    Row {
        name: "cw",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: L2,
        least_classes: 2,
        parameters: &[
            whole("steps", 200.0, 1e6),
            whole("searches", 9.0, 100.0),
            real("rate", 0.01, (1e-6, 10.0)),
        ],
        paper: "Carlini 2017, arXiv:1608.04644",
        build: |v| {
            Algorithm::WhiteBox(Box::new(CarliniWagner {
                steps: v.whole("steps"),
                searches: v.whole("searches"),
                rate: v.real("rate"),
            }))
        },
    },
    Row {
        name: "ddn",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: L2,
        least_classes: 2,
        parameters: &[whole("steps", 100.0, 1e6), real("gamma", 0.05, (1e-4, 0.9))],
        paper: "Rony 2019, arXiv:1811.09600",
        build: |v| {
            Algorithm::WhiteBox(Box::new(Ddn {
                steps: v.whole("steps"),
                gamma: v.real("gamma"),
            }))
        },
    },
    Row {
        name: "fmn",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[whole("steps", 100.0, 1e6), real("gamma", 0.05, (1e-4, 0.9))],
        paper: "Pintor 2021, arXiv:2102.12827",
        build: |v| {
            Algorithm::WhiteBox(Box::new(Fmn {
                steps: v.whole("steps"),
                gamma: v.real("gamma"),
            }))
        },
    },
    Row {
        name: "square",
        technique: BLACK_BOX,
        access: Access::Scores,
        norms: BOTH,
        least_classes: 2,
        parameters: &[
            whole("queries", 1000.0, 1e7),
            real("schedule", 1.0, (1e-3, 1e3)),
        ],
        paper: "Andriushchenko 2020, arXiv:1912.00049",
        build: |v| {
            Algorithm::BlackBox(Box::new(Square {
                queries: v.whole("queries"),
                schedule: v.double("schedule"),
            }))
        },
    },
];
