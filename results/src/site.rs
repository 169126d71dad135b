//! The results that the project stands by, as one page: what was found, every sweep compared, and the
//! papers' tables and claims beside ours.
//!
//! Everything comes from files: `findings.md`, which people write, and the folders under `runs`, each a
//! sweep with a `README.md` that begins with its title. The same files give the same page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CowStr, Event, Options as Dialect, Parser, Tag, TagEnd};

use crate::compare::{CompareOptions, Comparison, Section as Part, apart};
use crate::files::read_if_there;
use crate::page;
use crate::paper::Paper;
use crate::reproduce::{Options, Reproduction, Tested, Verdict, signed};
use crate::sheet::markdown;
use crate::table::{Grid, Table, TableOptions, text};
use crate::{Error, Store, each_once};

/// One sweep.
struct Sweep {
    /// The name of its folder.
    id: String,
    title: String,
    /// What people say of it, in Markdown.
    about: String,
    outcome: Outcome,
}

/// What there is to say of a sweep's runs.
enum Outcome {
    Compared(Box<Comparison>),
    /// What cannot be compared is a table, in Markdown.
    Listed(String),
}

/// All results.
pub struct Site {
    findings: String,
    sweeps: Vec<Sweep>,
    reproductions: Vec<Reproduction>,
}

impl Site {
    /// Reads the folder of results: `findings.md` and the sweeps under `runs`. The papers are set beside
    /// the runs of `tier`.
    ///
    /// # Errors
    /// I/O errors, and those of a committed table.
    pub fn read(results: &Path, tier: &str) -> Result<Self, Error> {
        let runs = results.join("runs");
        let entries = std::fs::read_dir(&runs).map_err(Error::io("read folder", &runs))?;
        let mut folders = Vec::new();
        for entry in entries {
            let path = entry.map_err(Error::io("read folder", &runs))?.path();
            if path.is_dir() {
                folders.push(path);
            }
        }
        folders.sort_by(|a, b| b.cmp(a));
        let (mut sweeps, mut finished, mut unfinished) = (Vec::new(), Vec::new(), Vec::new());
        for folder in folders {
            let (more, rest) = Store::scan(&folder)?;
            let id = text::clean(&folder.file_name().unwrap_or_default().to_string_lossy());
            let about = words(&folder.join("README.md"))?;
            let (title, about) = match about.strip_prefix("# ").and_then(|a| a.split_once('\n')) {
                Some((title, about)) => (title.trim().to_owned(), about.trim().to_owned()),
                None => (id.clone(), about),
            };
            let options = CompareOptions {
                count_failed: true,
                unequal_seeds: true,
                ..CompareOptions::default()
            };
            let outcome = match Comparison::new(&more, &rest, &options) {
                Ok(comparison) => Outcome::Compared(Box::new(comparison)),
                Err(why) => {
                    let table = Table::new(&more, &rest, &TableOptions::default());
                    Outcome::Listed(format!(
                        "{}\n\n{}",
                        markdown(&why.to_string()),
                        table.markdown()
                    ))
                }
            };
            sweeps.push(Sweep {
                about: moved(&about, &id),
                id,
                title,
                outcome,
            });
            finished.extend(more);
            unfinished.extend(rest);
        }
        let (finished, unfinished) = each_once(finished, unfinished);
        let options = Options::of_tier(tier);
        let reproduction = |id| {
            let paper = Paper::find(id)?;
            Ok(Reproduction::new(paper, &finished, &unfinished, &options))
        };
        Ok(Self {
            findings: words(&results.join("findings.md"))?,
            sweeps,
            reproductions: Paper::ids()
                .map(reproduction)
                .collect::<Result<_, Error>>()?,
        })
    }

    /// Everything in GitHub-flavoured Markdown; figures and pages of single sweeps and papers are links.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::from("# Results\n\n");
        out += &self.findings;
        out += "\n\n## Papers\n\nPublished tables beside ours: how many of a table's cells our runs fill, how far rankings agree, and\nwhat becomes of its claims, of those that were read in the paper itself. Each opens a page with every cell and claim.\n\n";
        out += &self.papers();
        for reproduction in &self.reproductions {
            if reproduction
                .claims
                .iter()
                .any(|c| c.verdict != Verdict::Untested)
            {
                let id = &reproduction.paper.id;
                let _ = write!(
                    out,
                    "\n![{}](papers/{id}-claims.svg)\n",
                    markdown(&format!(
                        "{}: {}",
                        reproduction.paper.title,
                        reproduction.summary()
                    ))
                );
            }
        }
        out += "\n## Sweeps\n\nThe latest first.\n";
        for sweep in &self.sweeps {
            let _ = writeln!(out, "\n### {}", sweep.title);
            if !sweep.about.is_empty() {
                let _ = writeln!(out, "\n{}", sweep.about);
            }
            match &sweep.outcome {
                Outcome::Listed(table) => {
                    let _ = write!(out, "\n{table}");
                }
                Outcome::Compared(comparison) => {
                    let _ = write!(out, "\n{}", comparison.tables());
                    for shown in overview(comparison) {
                        let file = format!("{}/figures/{}.svg", sweep.id, shown.name);
                        let _ = write!(out, "\n![{}]({file})\n", markdown(&shown.caption));
                    }
                    let _ = write!(
                        out,
                        "\n[The whole comparison]({}/report.html): how the figures are made, learning curves, settings and every run.\n",
                        sweep.id
                    );
                }
            }
        }
        out
    }

    /// The same as a page that needs nothing but those it links to.
    ///
    /// # Errors
    /// [`Error::Drawing`].
    pub fn html(&self) -> Result<String, Error> {
        let mut pictures = BTreeMap::new();
        for sweep in &self.sweeps {
            if let Outcome::Compared(comparison) = &sweep.outcome {
                for shown in overview(comparison) {
                    let file = format!("{}/figures/{}.svg", sweep.id, shown.name);
                    let parts = apart(&shown.picture).into_iter();
                    let svgs = parts.map(|part| part.svg(WIDTH));
                    pictures.insert(file, svgs.collect::<Result<String, Error>>()?);
                }
            }
        }
        for reproduction in &self.reproductions {
            if let Some(forest) = reproduction.forest() {
                let file = format!("papers/{}-claims.svg", reproduction.paper.id);
                pictures.insert(file, forest.svg(WIDTH)?);
            }
        }
        let text = self.markdown();
        let body = text.split_once('\n').map_or("", |(_, body)| body);
        let mut events = Vec::new();
        for event in Parser::new_ext(body, Dialect::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Image { dest_url, .. }) => {
                    // Any other picture is not in the page, which must not load it: its words are.
                    let svg = pictures.get(&*dest_url).cloned().unwrap_or_default();
                    events.push(html(format!("<figure>{svg}<figcaption>")));
                }
                Event::End(TagEnd::Image) => events.push(html("</figcaption></figure>")),
                Event::Start(Tag::Table(of)) => {
                    events.push(html("<div class=\"scroll\">"));
                    events.push(Event::Start(Tag::Table(of)));
                }
                Event::End(TagEnd::Table) => {
                    events.push(Event::End(TagEnd::Table));
                    events.push(html("</div>"));
                }
                other => events.push(other),
            }
        }
        let mut main = String::new();
        pulldown_cmark::html::push_html(&mut main, events.into_iter());
        Ok(
            page::beginning("prefbench", "Results", &self.subject(), &self.verdict())
                + "</header>\n<main>\n"
                + &main
                + &page::end(),
        )
    }

    /// Writes `index.md` and `index.html`, a folder for each sweep ([`Comparison::write`]) and one for the
    /// papers ([`Reproduction::write`]).
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Drawing`].
    pub fn write(&self, dir: &Path) -> Result<PathBuf, Error> {
        for sweep in &self.sweeps {
            if let Outcome::Compared(comparison) = &sweep.outcome {
                comparison.write(&dir.join(&sweep.id))?;
            }
        }
        for reproduction in &self.reproductions {
            reproduction.write(&dir.join("papers"))?;
        }
        let index = dir.join("index.html");
        for (file, text) in [
            (&dir.join("index.md"), self.markdown()),
            (&index, self.html()?),
        ] {
            std::fs::write(file, text).map_err(Error::io("write", file))?;
        }
        Ok(index)
    }

    /// The papers, in Markdown.
    fn papers(&self) -> String {
        let verdicts = [
            Verdict::Holds,
            Verdict::NotShown,
            Verdict::Contradicted,
            Verdict::Untested,
        ];
        let figures = ["our cells", "tau-b"].into_iter();
        let figures = Vec::from_iter(figures.chain(verdicts.map(Verdict::name)));
        let mut grid = Grid::new(&["table"], &figures);
        for r in &self.reproductions {
            let (ours, all) = r.coverage();
            let tau = r.agreement.pooled.map_or_else(
                || "–".to_owned(),
                |test| format!("{} (p {:.3})", signed(test.value, 2), test.greater),
            );
            let link = format!("[{}](papers/{}.html)", markdown(&r.paper.title), r.paper.id);
            let count = |v| {
                read(r)
                    .filter(|claim| claim.verdict == v)
                    .count()
                    .to_string()
            };
            let row = [link, format!("{ours} of {all}"), tau];
            grid.row(row.into_iter().chain(verdicts.map(count)));
        }
        grid.markdown()
    }

    fn subject(&self) -> String {
        format!(
            "{} sweeps, and {} published tables",
            self.sweeps.len(),
            self.reproductions.len()
        )
    }

    fn verdict(&self) -> String {
        let all = || self.reproductions.iter().flat_map(read);
        let count = |verdict| all().filter(|claim| claim.verdict == verdict).count();
        format!(
            "Of {} claims that were read in the papers themselves our runs bear out {} and contradict {}; {} they do not show, and {} they do not test.",
            all().count(),
            count(Verdict::Holds),
            count(Verdict::Contradicted),
            count(Verdict::NotShown),
            count(Verdict::Untested)
        )
    }
}

/// The claims that were read in the paper itself; the others are on its page alone.
fn read(reproduction: &Reproduction) -> impl Iterator<Item = &Tested> {
    let claims = reproduction.claims.iter();
    claims.filter(|tested| tested.claim.verified)
}

/// Width of the figures.
const WIDTH: f64 = 560.0;

/// The figures over tasks.
fn overview(comparison: &Comparison) -> impl Iterator<Item = &crate::compare::Shown> {
    let shown = comparison.figures.iter();
    shown.filter(|shown| shown.section != Part::Tasks)
}

fn html<'a>(text: impl Into<CowStr<'a>>) -> Event<'a> {
    Event::Html(text.into())
}

/// Markdown of the folder `runs/ID` with its relative links as they are from the page's folder.
fn moved(about: &str, id: &str) -> String {
    let mut parts = about.split("](");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out += "](";
        if !part.starts_with("http") && !part.starts_with('#') {
            let _ = write!(out, "../runs/{id}/");
        }
        out += part;
    }
    out
}

/// What people wrote, if they did.
fn words(file: &Path) -> Result<String, Error> {
    let bytes = read_if_there(file)?.unwrap_or_default();
    let text =
        String::from_utf8(bytes).map_err(|_| Error::corrupt(file, None, "it is not UTF-8 text"))?;
    Ok(text.trim().to_owned())
}
