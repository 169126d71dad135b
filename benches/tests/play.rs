//! `prefbench play` as its user meets it: films that move, a page that works in a browser, errors
//! that say what to do.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn prefbench(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prefbench"));
    command.current_dir(dir).args(args).output().unwrap()
}

/// Runs it and returns the paths that it printed.
fn finish(dir: &Path, args: &[&str]) -> Vec<PathBuf> {
    let out = prefbench(dir, args);
    assert!(out.status.success(), "{args:?}: {}", stderr(&out));
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().map(|line| dir.join(line)).collect()
}

fn stderr(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// The frames as they are shown, each drawn over the one before, and the first frame's delay.
fn film(path: &Path) -> (Vec<Vec<[u8; 3]>>, u16) {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(File::open(path).unwrap()).unwrap();
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    let mut canvas = vec![[0; 3]; width * height];
    let (mut frames, mut delay) = (Vec::new(), 0);
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        for (i, pixel) in frame.buffer.as_chunks::<4>().0.iter().enumerate() {
            let (w, left) = (usize::from(frame.width), usize::from(frame.left));
            if let [r, g, b, 255] = *pixel {
                canvas[(usize::from(frame.top) + i / w) * width + left + i % w] = [r, g, b];
            }
        }
        frames.push(canvas.clone());
        delay = frame.delay;
    }
    (frames, delay)
}

/// A PNG's width and pixels.
fn picture(path: &Path) -> (usize, Vec<[u8; 3]>) {
    let file = BufReader::new(File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let pixels = bytes.chunks_exact(info.color_type.samples());
    let pixels = pixels.map(|p| [p[0], p[1], p[2]]).collect();
    (info.width as usize, pixels)
}

/// Pixels of the robot's dark blue, of which there is nothing else.
fn robot(pixels: &[[u8; 3]]) -> usize {
    let dark = |&&[r, _, b]: &&[u8; 3]| r < 100 && b > r.saturating_add(10);
    pixels.iter().filter(dark).count()
}

fn colours(pixels: &[[u8; 3]]) -> usize {
    pixels.iter().collect::<HashSet<_>>().len()
}

#[test]
fn a_task_becomes_a_film_and_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "play", "reach", "--steps", "20", "--every", "4", "--size", "160x120",
    ];
    let [page, gif] = &finish(dir.path(), &args)[..] else {
        panic!("two files expected");
    };
    let (frames, delay) = film(gif);
    assert_eq!(
        (frames.len(), delay),
        (6, 5),
        "frames 0, 4, .. 20 of 12.5 ms each"
    );
    for pair in frames.windows(2) {
        assert_ne!(pair[0], pair[1], "the hand stands still");
        assert!(robot(&pair[1]) > 50, "no robot");
    }
    let page = fs::read_to_string(page).unwrap();
    assert!(!page.contains("http"), "the page refers to another place");
    assert!(
        !page.contains("{{"),
        "a part of the template is not filled in"
    );
    for part in ["\"frames\":21", "\"solids\":[", "random actions, seed 0"] {
        assert!(page.contains(part), "no {part}");
    }
    let names: Vec<_> = fs::read_dir(dir.path().join("plays")).unwrap().collect();
    assert_eq!(names.len(), 2, "something else was left: {names:?}");

    let again = tempfile::tempdir().unwrap();
    let files = finish(again.path(), &args);
    assert_eq!(fs::read(&files[1]).unwrap(), fs::read(gif).unwrap());
    let args = ["play", "reach", "--steps", "20", "--seed", "1"];
    let files = finish(again.path(), &args);
    assert!(files[1].ends_with("reach-1.gif"), "{files:?}");
    assert_ne!(fs::read(&files[1]).unwrap(), fs::read(gif).unwrap());
}

#[test]
fn a_run_shows_its_policy() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["run", "reach", "--algo", "random", "--set", "steps=300"];
    args.extend(["--set", "eval_episodes=1"]);
    finish(dir.path(), &args);
    let runs = fs::read_dir(dir.path().join("runs")).unwrap();
    let mut runs = runs.map(|e| e.unwrap().path());
    let run = runs.find(|p| p.join("config.json").exists()).unwrap();
    let name = run.file_name().unwrap().to_str().unwrap();
    let args = [
        "play",
        run.to_str().unwrap(),
        "--frames",
        "2",
        "--out",
        "a/b",
    ];
    let files = finish(dir.path(), &args);
    assert!(files[0].ends_with(format!("a/b/{name}.html")), "{files:?}");
    let page = fs::read_to_string(&files[0]).unwrap();
    assert!(page.contains("policy after 300 steps"));
    assert_eq!(film(&files[1]).0.len(), 2);

    fs::remove_dir_all(run.join(format!("checkpoint-{:012}", 300))).unwrap();
    let out = prefbench(dir.path(), &args);
    let text = stderr(&out);
    assert!(
        !out.status.success() && text.contains("checkpoint"),
        "{text}"
    );
}

#[test]
fn every_task_has_a_still() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "play", "--still", "--all", "--out", "stills", "--size", "200x150",
    ];
    let files = finish(dir.path(), &args);
    assert!(files.len() > 1);
    for file in files {
        let (width, pixels) = picture(&file);
        assert_eq!((width, pixels.len()), (200, 200 * 150));
        assert!(colours(&pixels) > 100, "{} is blank", file.display());
        assert!(robot(&pixels) > 3, "{} shows no robot", file.display());
    }
}

#[test]
fn bad_input_gets_one_clear_error() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["play", "hoper"], &["hoper", "hopper", "run"]),
        (&["play", "."], &["config.json"]),
        (
            &["play", "reach", "--out", "/proc/self/x"],
            &["/proc/self/x"],
        ),
        (&["play", "reach", "--size", "9"], &["WIDTHxHEIGHT"]),
        (&["play", "--all"], &["--still"]),
        (&["play"], &["WHAT"]),
    ];
    for (args, parts) in cases {
        let dir = tempfile::tempdir().unwrap();
        let out = prefbench(dir.path(), args);
        let text = stderr(&out);
        assert!(!out.status.success(), "{args:?} succeeded");
        for part in *parts {
            assert!(text.contains(part), "{args:?}: no {part} in {text}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{args:?}");
    }
}

/// A browser, from the variable CHROMIUM or the search path.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let known = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name)));
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    named.into_iter().chain(known).find(|p| p.is_file())
}

#[test]
fn the_page_works_in_a_browser() {
    let Some(browser) = browser() else {
        println!(
            "SKIPPED: no browser. `apt-get install chromium`, or name one in the variable CHROMIUM"
        );
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let files = finish(
        dir.path(),
        &["play", "reach", "--steps", "40", "--frames", "1"],
    );
    let screenshot = dir.path().join("page.png");
    let open = |extra: &str| {
        let mut command = Command::new(&browser);
        command.args(["--headless", "--no-sandbox", "--disable-dev-shm-usage"]);
        // WebGL without a graphics card.
        command.args(["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]);
        command.args(["--window-size=900,700", "--virtual-time-budget=3000"]);
        command.arg(format!(
            "--user-data-dir={}",
            dir.path().join("profile").display()
        ));
        command.arg(extra);
        command.arg(format!("file://{}#step=20", files[0].display()));
        command.output().unwrap()
    };
    let out = open("--dump-dom");
    let dom = String::from_utf8_lossy(&out.stdout);
    let title = dom
        .split("<title>")
        .nth(1)
        .and_then(|t| t.split('<').next());
    assert_eq!(title, Some("reach"), "{}", stderr(&out));
    assert!(dom.contains("data-state=\"ready\""), "the page never drew");
    assert!(dom.contains("20 / 40"), "the page does not show its step");

    let out = open(&format!("--screenshot={}", screenshot.display()));
    assert!(screenshot.exists(), "{}", stderr(&out));
    let (_, pixels) = picture(&screenshot);
    assert!(colours(&pixels) > 500, "the page is blank");
    assert!(robot(&pixels) > 2000, "no robot: {} pixels", robot(&pixels));
}
