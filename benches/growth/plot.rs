//! A picture of lines, both axes logarithmic.

use std::{fmt::Write, iter};

/// One line.
pub(crate) struct Series {
    pub(crate) what: &'static str,
    /// Size and cost.
    pub(crate) points: Vec<(u64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 40.0;
/// Room for the names of lines, right of them.
const LEGEND: f64 = 190.0;
const COLOURS: [&str; 7] = [
    "#1b6ca8", "#c8553d", "#3a7d44", "#8e5572", "#d19c1d", "#4b4e6d", "#00a8a8",
];

/// Powers of ten that hold all that an axis shows, and where it lies on the page.
struct Axis {
    low: f64,
    high: f64,
    /// Where the ends are.
    begin: f64,
    end: f64,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64>, [begin, end]: [f64; 2]) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for log in values.filter(|value| *value > 0.0).map(f64::log10) {
            (low, high) = (low.min(log.floor()), high.max(log.ceil()));
        }
        Self {
            low,
            high,
            begin,
            end,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value.log10() - self.low) / (self.high - self.low);
        self.begin + share * (self.end - self.begin)
    }

    /// The powers of ten on it, each with its place.
    fn tens(&self) -> impl Iterator<Item = (f64, f64)> {
        let next = |ten: &f64| (*ten < self.high).then_some(ten + 1.0);
        let tens = iter::successors(Some(self.low), next);
        tens.map(|ten| 10_f64.powf(ten))
            .map(|ten| (ten, self.place(ten)))
    }
}

/// A picture that needs nothing else.
pub(crate) fn svg(all: &[Series]) -> String {
    let points = || all.iter().flat_map(|series| series.points.iter());
    let across = [MARGIN, WIDTH - MARGIN - LEGEND];
    let across = Axis::around(points().map(|(size, _)| *size as f64), across);
    let up = [HEIGHT - MARGIN, MARGIN];
    let up = Axis::around(points().map(|(_, cost)| *cost), up);
    let lines = all.iter().zip(COLOURS.iter().cycle()).enumerate();
    let lines: String = lines
        .map(|(index, (series, colour))| {
            line(series, colour, &across, &up) + &legend(index, series.what, colour)
        })
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}{lines}</svg>\n",
        grid(&across, &up)
    )
}

fn grid(across: &Axis, up: &Axis) -> String {
    let mut text = String::new();
    let mut draw = |path: String, (x, y): (f64, f64), anchor: &str, label: f64| {
        let _ = writeln!(
            text,
            "<path d=\"{path}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{label}</text>"
        );
    };
    let ([left, right], [foot, head]) = ([across.begin, across.end], [up.begin, up.end]);
    for (ten, x) in across.tens() {
        draw(
            format!("M{x:.1} {foot}V{head}"),
            (x, foot + 16.0),
            "middle",
            ten,
        );
    }
    for (ten, y) in up.tens() {
        draw(
            format!("M{left} {y:.1}H{right}"),
            (left - 4.0, y),
            "end",
            ten,
        );
    }
    text
}

fn line(series: &Series, colour: &str, across: &Axis, up: &Axis) -> String {
    let usable = series.points.iter().filter(|(_, cost)| *cost > 0.0);
    let place = |(size, cost): &(u64, f64)| {
        format!("{:.1},{:.1}", across.place(*size as f64), up.place(*cost))
    };
    let path: Vec<String> = usable.map(place).collect();
    let path = path.join(" ");
    format!("<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n")
}

fn legend(index: usize, what: &str, colour: &str) -> String {
    let (left, down) = (WIDTH - LEGEND - MARGIN + 12.0, MARGIN + 18.0 * index as f64);
    format!("<text x=\"{left}\" y=\"{down}\" fill=\"{colour}\">{what}</text>\n")
}
