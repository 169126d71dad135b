//! Published tables beside the committed runs, from the command line.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

mod common;
use common::{ok, refused};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn every_table_is_set_beside_the_committed_runs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for table in ["cpl", "dtr", "ppe"] {
        let line = format!("reproduce {table} --out {}", out.display());
        ok(Path::new(ROOT), &line);
    }
    for file in [
        "cpl-dense.md",
        "cpl-sparse.csv",
        "dtr-1.html",
        "dtr-2.tex",
        "ppe-1-dmc.html",
    ] {
        assert!(out.join(file).exists(), "{file} is missing");
    }
    let ppe = fs::read_to_string(out.join("ppe-1-dmc.csv")).unwrap();
    let ours = |row: &&str| row.starts_with("Walker-walk,") && row.contains(",return / 10,");
    assert!(ppe.lines().any(|row| ours(&row)), "no cell of ours:\n{ppe}");
}

#[test]
fn what_cannot_be_reproduced_is_said() {
    let empty = tempfile::tempdir().unwrap();
    let of_none = format!("reproduce cpl --runs {}", empty.path().display());
    for (line, said) in [
        ("reproduce cpp", "there is no such table; known: bpref, "),
        ("reproduce none.toml", "there is no such file"),
        (&of_none, "no finished runs in"),
        (
            "reproduce cpl --runs nowhere",
            "cannot read the runs in nowhere",
        ),
    ] {
        refused(Path::new(ROOT), line, &[said]);
    }
}
