//! Criterion benches: `cargo bench`. Ratios to other implementations: `benches/peers`.

mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn speed(c: &mut Criterion) {
    for (name, unit) in workloads::WORKLOADS {
        let mut work = workloads::build(name).expect("every listed workload builds");
        let mut group = c.benchmark_group(*name);
        let quick = matches!(*name, "env-step" | "reset");
        group.sample_size(if quick { 100 } else { 10 });
        group.bench_function(*unit, |b| b.iter(&mut work));
    }
}

criterion_group!(benches, speed);
criterion_main!(benches);
