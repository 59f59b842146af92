//! `Plot`: lines or points over two axes, as SVG.

use maud::{Markup, Render, html};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;
/// About so many lines of the grid in each direction.
const TICKS: f64 = 5.0;
/// No axis has more, whatever its numbers.
const TICKS_MAX: u32 = 20;

/// What is measured along an axis.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Axis {
    pub(in crate::cli) label: &'static str,
    /// What follows a number, such as " s".
    pub(in crate::cli) unit: &'static str,
    pub(in crate::cli) min: f64,
    pub(in crate::cli) max: f64,
}

/// How the marks of a series are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Drawn {
    Line,
    /// Each on its own.
    Points,
}

/// A number at a place, which says what it is.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Mark {
    pub(in crate::cli) x: f64,
    pub(in crate::cli) y: f64,
    pub(in crate::cli) about: About,
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum About {
    /// Its place.
    Place,
    /// One measurement in this repetition. Marks of a repetition stand side by side.
    Repetition(u16),
    /// This seed, and whether it failed.
    Seed(u64, bool),
}

/// Marks that belong together.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Series {
    /// Empty when there is only one.
    pub(in crate::cli) name: &'static str,
    pub(in crate::cli) marks: Vec<Mark>,
}

/// One figure.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Plot {
    pub(in crate::cli) title: &'static str,
    /// What is seen, in a sentence.
    pub(in crate::cli) caption: &'static str,
    pub(in crate::cli) drawn: Drawn,
    pub(in crate::cli) x: Axis,
    pub(in crate::cli) y: Axis,
    pub(in crate::cli) series: Vec<Series>,
    /// The line that runs a seed again, without its number.
    pub(in crate::cli) command: Option<String>,
}

impl Axis {
    /// From zero to the greatest of `numbers`, or a little more.
    pub(in crate::cli) fn up_to(
        label: &'static str,
        unit: &'static str,
        numbers: impl Iterator<Item = f64>,
    ) -> Self {
        let max = numbers.fold(0.0, f64::max);
        let max = if max > 0.0 { max } else { 1.0 };
        let step = step(max);
        Self {
            label,
            unit,
            min: 0.0,
            max: (max / step).ceil() * step,
        }
    }

    /// From zero to exactly the greatest of `numbers`.
    pub(in crate::cli) fn spanning(
        label: &'static str,
        unit: &'static str,
        numbers: impl Iterator<Item = f64>,
    ) -> Self {
        let max = numbers.fold(0.0, f64::max);
        Self {
            max: if max > 0.0 { max } else { 1.0 },
            ..Self::up_to(label, unit, std::iter::empty())
        }
    }

    /// As [`Axis::up_to`] for what is counted: no line of the grid lies between whole numbers.
    pub(in crate::cli) fn counting(
        label: &'static str,
        numbers: impl Iterator<Item = f64>,
    ) -> Self {
        Self::up_to(label, "", numbers.chain([TICKS]))
    }

    /// The share of the axis at which `number` lies.
    fn share(&self, number: f64) -> f64 {
        let span = self.max - self.min;
        match span > 0.0 {
            true => (number - self.min) / span,
            false => 0.5,
        }
    }

    fn ticks(&self) -> Vec<f64> {
        let step = step(self.max - self.min);
        let first = (self.min / step).ceil();
        // By a whole count: where numbers are too large for steps of one, none ends the other way.
        let ticks = (0..TICKS_MAX).map(|tick| (first + f64::from(tick)) * step);
        let within = |tick: &f64| tick.is_finite() && *tick <= self.max + step * 1e-9;
        ticks.take_while(within).collect()
    }

    fn text(&self, number: f64) -> String {
        format!("{}{}", short(number), self.unit)
    }
}

impl Plot {
    fn place(&self, mark: &Mark) -> (f64, f64) {
        (self.at_x(mark.x), self.at_y(mark.y))
    }

    fn at_x(&self, x: f64) -> f64 {
        LEFT + self.x.share(x) * (WIDTH - LEFT - RIGHT)
    }

    fn at_y(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.share(y) * (HEIGHT - TOP - BOTTOM)
    }

    fn grid(&self) -> Markup {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        html! {
            @for tick in self.y.ticks() {
                @let y = self.at_y(tick);
                line.grid x1=(LEFT) x2=(right) y1=(pixels(y)) y2=(pixels(y)) {}
                text.tick x=(LEFT - 6.0) y=(pixels(y + 4.0)) text-anchor="end" {
                    (self.y.text(tick))
                }
            }
            @for tick in self.x.ticks() {
                @let x = self.at_x(tick);
                line.grid x1=(pixels(x)) x2=(pixels(x)) y1=(TOP) y2=(bottom) {}
                text.tick x=(pixels(x)) y=(bottom + 16.0) text-anchor="middle" {
                    (self.x.text(tick))
                }
            }
            text.label x=(f64::midpoint(LEFT, right)) y=(HEIGHT - 8.0) text-anchor="middle" {
                (self.x.label)
            }
        }
    }

    fn line(&self, index: usize, series: &Series) -> Markup {
        let places = series.marks.iter().map(|mark| self.place(mark));
        let points: Vec<_> = places
            .map(|(x, y)| format!("{},{}", pixels(x), pixels(y)))
            .collect();
        html! { polyline class={ "line s" (index) } points=(points.join(" ")) {} }
    }

    fn mark(&self, index: usize, series: &Series, mark: &Mark) -> Markup {
        let (x, y) = self.place(mark);
        let says = self.says(series, mark);
        let (seed, failed) = match mark.about {
            About::Seed(seed, failed) => (Some(seed), failed),
            About::Place | About::Repetition(_) => (None, false),
        };
        let (x, y) = (pixels(x), pixels(y));
        let radius = match self.drawn {
            Drawn::Line => "1",
            Drawn::Points => "4",
        };
        let kind = match (self.drawn, failed) {
            (Drawn::Line, _) => "on-line",
            (Drawn::Points, false) => "point",
            (Drawn::Points, true) => "point failed",
        };
        html! {
            circle class={ (kind) " s" (index) } cx=(x) cy=(y) r=(radius) data-says=(says)
                data-seed=[seed] {
                @if self.drawn == Drawn::Points { title { (says) } }
            }
        }
    }

    /// What the mark stands for.
    fn says(&self, series: &Series, mark: &Mark) -> String {
        let (x, y) = (self.x.text(mark.x), self.y.text(mark.y));
        match (mark.about, series.name) {
            (About::Seed(seed, true), _) => format!("seed {seed}: {y}, failed"),
            (About::Seed(seed, false), _) => format!("seed {seed}: {y}"),
            (About::Repetition(number), "") => format!("repetition {number}: {y}"),
            (About::Repetition(number), name) => format!("{name}, repetition {number}: {y}"),
            (About::Place, "") => format!("{x}: {y}"),
            (About::Place, name) => format!("{name}, {x}: {y}"),
        }
    }
}

impl Render for Plot {
    fn render(&self) -> Markup {
        let all = || (1_usize..).zip(&self.series);
        html! {
            figure data-command=[self.command.as_ref()] {
                h2 { (self.title) }
                p { (self.caption) }
                @if self.series.len() > 1 {
                    ul.legend {
                        @for (index, series) in all() { li class={ "s" (index) } { (series.name) } }
                    }
                }
                p.y-label { (self.y.label) }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.title) {
                    (self.grid())
                    @for (index, series) in all() {
                        @if self.drawn == Drawn::Line { (self.line(index, series)) }
                        @for mark in &series.marks { (self.mark(index, series, mark)) }
                    }
                    circle.cursor r="5" {}
                }
                output {}
            }
        }
    }
}

/// A step that people count in, of which about [`TICKS`] make up `span`.
fn step(span: f64) -> f64 {
    let rough = span / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
    let enough = steps.into_iter().find(|step| *step >= rough * 0.999);
    enough.unwrap_or(10.0 * power)
}

/// Three digits or all of the whole number, without trailing zeros.
fn short(number: f64) -> String {
    let decimals = match number.abs() {
        0.0..1.0 => 3,
        1.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    let text = format!("{number:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').into(),
        false => text,
    }
}

/// A coordinate, short.
fn pixels(number: f64) -> String {
    format!("{number:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_count_as_people_do() {
        let axis = Axis::up_to("", "", [3.0, 7.3].into_iter());
        assert_eq!((axis.min, axis.max), (0.0, 8.0));
        assert_eq!(axis.ticks(), [0.0, 2.0, 4.0, 6.0, 8.0]);
        let nothing = Axis::up_to("", "", std::iter::empty());
        assert_eq!(nothing.max, 1.0);
        let views = Axis::counting("", [2.0].into_iter());
        assert_eq!(views.ticks(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let large = Axis::up_to("", " B", [120_000.0].into_iter());
        assert_eq!(large.text(large.max), "150000 B");
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 0.0421, 1.0, 2.345, 31.26, 7463.0];
        let texts = ["0", "0.042", "1", "2.35", "31.3", "7463"];
        assert_eq!(numbers.map(short), texts);
    }

    #[test]
    fn a_seed_names_itself() {
        let marks = [(1, false), (2, true)].map(|(seed, failed)| Mark {
            x: seed as f64,
            y: 1.5,
            about: About::Seed(seed, failed),
        });
        let plot = Plot {
            title: "T",
            caption: "C",
            drawn: Drawn::Points,
            x: Axis::up_to("seed", "", [2.0].into_iter()),
            y: Axis::up_to("time", " s", [1.5].into_iter()),
            series: vec![Series {
                name: "",
                marks: marks.into(),
            }],
            command: Some("headcount simulate 'a<b' --seed".into()),
        };
        let text = plot.render().into_string();
        assert!(text.contains("<title>seed 1: 1.5 s</title>"), "{text}");
        assert!(
            text.contains("<title>seed 2: 1.5 s, failed</title>"),
            "{text}"
        );
        assert!(
            text.contains("data-command=\"headcount simulate 'a&lt;b' --seed\""),
            "{text}"
        );
    }
}
