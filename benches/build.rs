//! Records the commit that the binary was built from, for the provenance of results.

use std::process::Command;

fn git(args: &[&str]) -> Option<String> {
    let out = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    out.status.success().then(|| text.trim().to_owned())
}

fn main() {
    for path in [
        ".git/logs/HEAD",
        "Cargo.toml",
        "Cargo.lock",
        "envs",
        "oracles",
        "agents",
        "results",
        "benches",
    ] {
        println!("cargo::rerun-if-changed=../{path}");
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).map_or("unknown".into(), |commit| {
        let changed = git(&[
            "status",
            "--porcelain",
            "--untracked-files=no",
            "--",
            ":/*.rs",
            ":/Cargo.lock",
        ]);
        match changed.as_deref() {
            Some("") => commit,
            _ => format!("{commit}-modified"),
        }
    });
    println!("cargo::rustc-env=PREFBENCH_COMMIT={commit}");
}
