//! The page of the committed results.

use std::path::Path;

use prefbench_results::Error;
use prefbench_results::site::Site;

/// The page in the repository is that of the runs in it: to the byte, so that no figure on it is of
/// anything else. `BLESS=1` writes it anew.
#[test]
fn the_committed_page_is_that_of_the_committed_runs() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let committed = Path::new("page");
    let out = match std::env::var_os("BLESS") {
        Some(_) => committed,
        None => folder.path(),
    };
    Site::read(Path::new("."), "short")?.write(out)?;
    let mut compared = 0;
    for file in files(committed) {
        let name = file.strip_prefix(committed).expect("a file of the page");
        let [old, new] = [&file, &out.join(name)].map(|f| std::fs::read(f).unwrap_or_default());
        assert!(old == new, "{} has changed", file.display());
        compared += 1;
    }
    assert_eq!(compared, files(out).len(), "a file is missing");
    Ok(())
}

/// All files in a folder and below it but PNGs, which are not committed: they are the SVGs once more.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let below = |path: std::path::PathBuf| match path.is_dir() {
        true => files(&path),
        false if path.extension().is_some_and(|e| e == "png") => Vec::new(),
        false => vec![path],
    };
    paths.flat_map(below).collect()
}
