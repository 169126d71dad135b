//! A [`Comparison`] as one page of HTML that needs nothing else: no network, no script.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::figures::{Picture, Section, Shown};
use super::scores::MADE_BY;
use super::words::{self, GLOSSARY, count};
use super::{Comparison, side_by_side};
use crate::Error;
use crate::page;
use crate::plot::{Forest, colour, escaped};
use crate::sheet::{Entry, Sheet};

/// Width of the figures, two of which fit beside each other on a desk and one on a telephone.
const WIDTH: f64 = 460.0;
/// More learning curves than this are folded away.
const FOLDED: usize = 12;

impl Comparison {
    /// The page.
    ///
    /// # Errors
    /// [`Error::Drawing`] if a figure cannot be drawn.
    pub fn html(&self) -> Result<String, Error> {
        let mut out = page::beginning(
            "Comparison",
            &self.title(),
            &words::subject(self),
            &self.verdict,
        );
        out += "<ul class=\"methods\">";
        for &method in &self.ranking {
            let _ = write!(out, "<li>{}</li>", self.dotted(&self.methods[method].name));
        }
        out += "</ul>\n</header>\n<main>\n";

        if let Some(sheet) = self.aggregate_sheet() {
            out += "<h2>Over all tasks</h2>\n";
            out += &self.figures(Section::Aggregates)?;
            out += &self.table(sheet);
        }
        if let Some(sheet) = self.improvement_sheet() {
            out += "<h2>Probability of improvement</h2>\n";
            out += &self.figures(Section::Improvement)?;
            out += &self.table(sheet);
        }
        for (section, heading) in [
            (Section::Profiles, "How scores are distributed"),
            (Section::Efficiency, "Sample efficiency"),
        ] {
            if self.shown(section).next().is_some() {
                let _ = writeln!(out, "<h2>{heading}</h2>");
                out += &self.figures(section)?;
            }
        }
        out += "<h2>Task by task</h2>\n";
        out += &self.table(self.task_sheet());
        out += &self.curves()?;
        out += "<h2>What to know about these figures</h2>\n<ul>\n";
        for note in &self.notes {
            let mut lines = note.lines();
            let first = escaped(lines.next().unwrap_or_default());
            let rest: String = lines
                .map(|line| format!("<li>{}</li>", escaped(line.trim())))
                .collect();
            let _ = match &*rest {
                "" => writeln!(out, "<li>{first}</li>"),
                rest => writeln!(out, "<li>{first}<ul>{rest}</ul></li>"),
            };
        }
        out += "</ul>\n";
        out += &self.origins();
        out += "<h2>The statistics in plain words</h2>\n<dl>\n";
        for (word, meaning) in GLOSSARY {
            let _ = writeln!(
                out,
                "<dt>{}</dt><dd>{}</dd>",
                escaped(word),
                escaped(meaning)
            );
        }
        out += "</dl>\n";
        out += &page::end();
        Ok(out)
    }

    fn title(&self) -> String {
        let ranked = self.ranking.iter();
        let names: Vec<&str> = ranked.map(|&m| &*self.methods[m].name).collect();
        let methods = match names[..] {
            [one] => one.to_owned(),
            [one, two] => format!("{one} and {two}"),
            [one, two, three] => format!("{one}, {two} and {three}"),
            _ => count(names.len(), "method"),
        };
        match &self.tasks[..] {
            [one] => format!("{methods} on {}", one.task),
            tasks => format!("{methods} on {} tasks", tasks.len()),
        }
    }

    fn shown(&self, section: Section) -> impl Iterator<Item = &Shown> {
        self.figures
            .iter()
            .filter(move |shown| shown.section == section)
    }

    /// The figures of a section: one alone with its caption beside it, several above theirs.
    fn figures(&self, section: Section) -> Result<String, Error> {
        let mut out = String::from("<div class=\"figures\">");
        let alone = self.shown(section).count() == 1;
        for shown in self.shown(section) {
            let pictures = apart(&shown.picture);
            let caption = escaped(&shown.caption);
            let svgs = pictures.iter().map(|picture| picture.svg(WIDTH));
            let svgs = svgs.collect::<Result<Vec<String>, Error>>()?;
            let _ = match (&svgs[..], alone) {
                ([svg], true) => {
                    writeln!(out, "<figure>{svg}</figure><p class=\"note\">{caption}</p>")
                }
                ([svg], false) => writeln!(
                    out,
                    "<figure>{svg}<figcaption>{caption}</figcaption></figure>"
                ),
                (several, _) => writeln!(
                    out,
                    "<figure>{}</figure></div><div><p class=\"note\">{caption}</p>",
                    several.join("</figure><figure>")
                ),
            };
        }
        Ok(out + "</div>\n")
    }

    fn curves(&self) -> Result<String, Error> {
        let shown: Vec<&Shown> = self.shown(Section::Tasks).collect();
        let drawn = side_by_side(&shown, |shown| {
            let drawn = apart(&shown.picture).into_iter().map(|p| p.svg(WIDTH));
            drawn.collect::<Result<String, Error>>()
        });
        let open = if self.tasks.len() <= FOLDED {
            " open"
        } else {
            ""
        };
        let mut out = format!(
            "<h2>Learning curves</h2>\n<details{open}><summary>{}</summary>\n<p class=\"note\">Lines: {} over \
             seeds; bands: pointwise {} % bootstrap intervals. Runs that failed are not drawn.</p>\n\
             <div class=\"figures\">",
            count(shown.len(), "figure"),
            self.statistic.name(),
            100.0 * self.level
        );
        for svg in drawn {
            let _ = writeln!(out, "<figure>{}</figure>", svg?);
        }
        Ok(out + "</div></details>\n")
    }

    fn table(&self, sheet: Sheet) -> String {
        sheet.html(|name| self.dotted(name))
    }

    /// A method's name behind its colour; other words as they are.
    fn dotted(&self, name: &str) -> String {
        let style = self.methods.iter().position(|m| m.name == name);
        let dot = style.map_or_else(String::new, |style| {
            format!(
                "<span class=\"dot\" style=\"background:{}\"></span>",
                colour(style)
            )
        });
        dot + &escaped(name)
    }

    /// Settings that differ, what made the runs, and every run.
    fn origins(&self) -> String {
        let mut out = String::from("<h2>Settings and origins</h2>\n");
        let names = || self.methods.iter().map(|m| m.name.clone());
        if !self.settings.is_empty() {
            let plain = |(key, values): &(String, Vec<String>)| {
                [key].into_iter().chain(values).map(Entry::plain).collect()
            };
            let table = self.table(Sheet {
                caption: "Settings in which methods differ on some task; values on several tasks apart by |, \
                          – where there is no such setting."
                    .into(),
                words: self.methods.len() + 1,
                head: ["setting".to_owned()].into_iter().chain(names()).collect(),
                rows: self.settings.iter().map(plain).collect(),
            });
            let settings = count(self.settings.len(), "setting");
            let _ = writeln!(
                out,
                "<details><summary>{settings} that differ between methods</summary>{table}</details>"
            );
        }
        let made_by = |method: usize| {
            let cells = self
                .tasks
                .iter()
                .filter_map(|task| task.cells[method].as_ref());
            let runs: Vec<_> = cells.flat_map(|cell| &cell.runs).collect();
            let each = (0..MADE_BY.len()).map(|i| {
                let values: BTreeSet<&str> = runs
                    .iter()
                    .filter_map(|run| run.made_by[i].as_deref())
                    .collect();
                Entry::plain(Vec::from_iter(values).join(", "))
            });
            let first = [
                Entry::plain(&self.methods[method].name),
                Entry::plain(runs.len().to_string()),
            ];
            first.into_iter().chain(each).collect()
        };
        let made_by = self.table(Sheet {
            caption: "What made the runs, as recorded with them.".into(),
            words: 2 + MADE_BY.len(),
            head: ["method", "runs"]
                .into_iter()
                .chain(MADE_BY)
                .map(Into::into)
                .collect(),
            rows: (0..self.methods.len()).map(made_by).collect(),
        });
        let _ = writeln!(
            out,
            "<details><summary>Commits, versions and devices</summary>{made_by}</details>"
        );
        out += "<details><summary>Every run: seed, score, and the hash of its configuration</summary><ul>\n";
        for task in &self.tasks {
            for (cell, method) in task.cells.iter().zip(&self.methods) {
                let Some(cell) = cell else { continue };
                let runs = cell.runs.iter().map(|run| {
                    let failed = if run.failed { ", failed" } else { "" };
                    format!(
                        "{}: {:.3}{failed} <code>{}</code>",
                        run.seed,
                        run.score,
                        escaped(&run.key)
                    )
                });
                let runs: Vec<String> = runs.collect();
                let _ = writeln!(
                    out,
                    "<li>{}, {}: {}</li>",
                    escaped(&task.task),
                    self.dotted(&method.name),
                    runs.join("; ")
                );
            }
        }
        out + "</ul></details>\n"
    }
}

/// The panels of a chart as charts of their own, which fit a telephone; without their tags, which
/// all say the same tier.
pub(crate) fn apart(picture: &Picture) -> Vec<Picture> {
    let mut picture = picture.clone();
    match &mut picture {
        Picture::Lines(chart) => chart.tag.clear(),
        Picture::Dots(forest) => forest.tag.clear(),
    }
    match picture {
        Picture::Dots(mut forest) if forest.panels.len() > 1 => {
            let panels = std::mem::take(&mut forest.panels).into_iter();
            let alone = panels.map(|mut panel| {
                Picture::Dots(Forest {
                    title: std::mem::take(&mut panel.title),
                    panels: vec![panel],
                    ..forest.clone()
                })
            });
            alone.collect()
        }
        whole => vec![whole],
    }
}
