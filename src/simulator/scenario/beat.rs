//! `Beat`: when something is on that ends, and perhaps begins again.

use std::{fmt, ops::Range, time::Duration};

use rand_xoshiro::Xoshiro256PlusPlus;

use super::values::Span;

/// What repeats pauses at least so long.
const EVERY_MIN: Duration = Duration::from_millis(1);

/// How long something lasts, and how it goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    pub(super) lasts: Span,
    /// From an end to the next beginning.
    pub(super) every: Option<Span>,
    /// None begins later.
    pub(super) until: Option<Span>,
}

impl Beat {
    /// Says what is wrong with it, if anything.
    pub(super) fn check(&self, at: Span) -> Result<(), String> {
        check_until(at, self.until)?;
        if self.every.is_some() != self.until.is_some() {
            return Err("repeats with both `every` and `until`, or neither".into());
        }
        check_every(self.every)
    }

    /// When it is over at the latest, if it begins at `at`.
    pub(super) fn over(&self, at: Span) -> Duration {
        let until = self.until.unwrap_or(Span::ZERO);
        until.max.max(at.max) + self.lasts.max
    }

    /// How often it is on at most, if it begins at `at`.
    pub(super) fn times(&self, at: Span) -> u64 {
        let (Some(every), Some(until)) = (self.every, self.until) else {
            return 1;
        };
        let span = until.max.saturating_sub(at.min).as_millis();
        let times = span / (every.min + self.lasts.min).as_millis().max(1);
        u64::try_from(times).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Draws when it is on, from `begin` on.
    pub(super) fn draw(
        &self,
        rng: &mut Xoshiro256PlusPlus,
        begin: Duration,
    ) -> Vec<Range<Duration>> {
        let until = self.until.unwrap_or(Span::ZERO).draw(rng);
        let (mut times, mut on) = (Vec::new(), begin);
        loop {
            let off = on + self.lasts.draw(rng);
            times.push(on..off);
            let Some(every) = self.every else {
                return times;
            };
            on = off + every.draw(rng);
            if on >= until {
                return times;
            }
        }
    }
}

/// Says whether what repeats has no time to end.
pub(super) fn check_every(every: Option<Span>) -> Result<(), String> {
    match every {
        Some(every) if every.min < EVERY_MIN => Err("`every` takes 1ms to 31d".into()),
        _ => Ok(()),
    }
}

/// Says whether something is over before it begins.
pub(super) fn check_until(at: Span, until: Option<Span>) -> Result<(), String> {
    match until {
        Some(until) if until.max < at.min => Err("`until` is before `at`".into()),
        _ => Ok(()),
    }
}

impl fmt::Display for Beat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "for {}", self.lasts)?;
        let spans = [("every", self.every), ("until", self.until)];
        for (key, span) in spans {
            if let Some(span) = span {
                write!(formatter, ", {key} {span}")?;
            }
        }
        Ok(())
    }
}
