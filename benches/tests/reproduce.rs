//! Published tables beside the committed runs, from the command line.

use std::path::Path;
use std::process::{Command, Output};

fn prefbench(args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_prefbench"));
    let output = command.args(args).current_dir(root).output();
    output.expect("prefbench starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_table_is_set_beside_the_committed_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out").display().to_string();
    for table in ["cpl", "dtr", "ppe"] {
        let output = prefbench(&["reproduce", table, "--out", &out]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    for file in [
        "cpl-dense.md",
        "cpl-sparse.csv",
        "dtr-1.html",
        "dtr-2.tex",
        "ppe-1-dmc.html",
    ] {
        let file = Path::new(&out).join(file);
        assert!(file.exists(), "{} is missing", file.display());
    }
    let ppe = std::fs::read_to_string(Path::new(&out).join("ppe-1-dmc.csv")).expect("a file");
    let ours = ppe
        .lines()
        .filter(|line| line.starts_with("Walker-walk,") && line.contains(",normalised,"));
    assert!(ours.count() > 0, "no cell of ours:\n{ppe}");
}

#[test]
fn what_cannot_be_reproduced_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().display().to_string();
    for (args, said) in [
        (
            vec!["reproduce", "cpp"],
            "there is no such table; known: bpref, ",
        ),
        (vec!["reproduce", "none.toml"], "there is no such file"),
        (
            vec!["reproduce", "cpl", "--runs", &empty],
            "no finished runs in",
        ),
        (
            vec!["reproduce", "cpl", "--runs", "nowhere"],
            "cannot read the runs in nowhere",
        ),
    ] {
        let output = prefbench(&args);
        let error = text(&output.stderr);
        assert!(
            !output.status.success() && error.contains(said),
            "{args:?}: {error}"
        );
    }
}
