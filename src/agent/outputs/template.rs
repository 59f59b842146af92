//! `Renderer`: members as the text that another program reads.

use std::{collections::BTreeSet, num::NonZeroU16, sync::Arc};

use minijinja::{
    AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, context, syntax::SyntaxConfig,
};

use super::shown::Shown;
use crate::{
    agent::Error,
    config::{BuiltIn, OutputFile, Template, read_text},
    feed::Member,
    swim::{AppStatus, Card},
};

const NAME: &str = "file";
/// What a template finds besides the language's own.
const NAMES: [&str; 2] = ["members", "upstream"];
/// A template that does not end would hold the agent's end up. Ten thousand members take less.
const INSTRUCTIONS_MAX: u64 = 50_000_000;
/// Enough for a thousand lines of each of the few members of a trial.
const INSTRUCTIONS_TRIAL_MAX: u64 = 1_000_000;

/// Texts in a template that its trial takes for what members may say.
const WORDS_MAX: usize = 100;
/// What is wrong of whatever member.
const MISNOMERS: [ErrorKind; 5] = [
    ErrorKind::UndefinedError,
    ErrorKind::UnknownFilter,
    ErrorKind::UnknownFunction,
    ErrorKind::UnknownMethod,
    ErrorKind::UnknownTest,
];

/// A template, and what a file is to say of its members.
#[derive(Debug)]
pub(super) struct Renderer {
    template: Environment<'static>,
    /// Which names would be comments.
    is_comment: fn(&str) -> bool,
    port: Option<u16>,
    port_tag: Option<String>,
    upstream: String,
    with_app_down: bool,
}

/// Members and what their tag says instead of a port.
pub(super) type Mistagged = BTreeSet<(String, String)>;

/// What is wrong with members, who are left out or have another port for it.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    pub(super) mistagged: Mistagged,
    /// Whoever has a name that would be a comment.
    pub(super) misnamed: BTreeSet<String>,
}

/// A file's text, and what is wrong with those whom it shows.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) text: String,
    pub(super) oddities: Oddities,
}

const fn text_of(template: BuiltIn) -> &'static str {
    match template {
        BuiltIn::HaproxyMap => include_str!("templates/haproxy-map.jinja"),
        BuiltIn::Hosts => include_str!("templates/hosts.jinja"),
        BuiltIn::Json => include_str!("templates/json.jinja"),
        BuiltIn::Nginx => include_str!("templates/nginx.jinja"),
        BuiltIn::Prometheus => include_str!("templates/prometheus.jinja"),
    }
}

impl Renderer {
    /// Reads the file's template, and tries it out.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub(super) fn new(file: &OutputFile) -> Result<Self, Error> {
        let template = match &file.template {
            Template::BuiltIn(built_in) => prepared(text_of(*built_in).into()),
            Template::File(path) => read_text(path)
                .map_err(|error| error.to_string())
                .and_then(prepared),
        };
        let template = template.map_err(|why| match &file.template {
            Template::BuiltIn(_) => unreachable!("a test prepares each of ours"),
            Template::File(path) => Error::Template {
                path: path.clone(),
                why,
            },
        })?;
        Ok(Self {
            template,
            is_comment: match file.template {
                Template::BuiltIn(BuiltIn::Hosts) => |name| name.contains('#'),
                Template::BuiltIn(BuiltIn::HaproxyMap) => |name| name.starts_with('#'),
                _ => |_| false,
            },
            port: file.port,
            port_tag: file.port_tag.clone(),
            upstream: file.upstream.clone(),
            with_app_down: file.with_app_down,
        })
    }

    /// What the template says.
    pub(super) fn text(&self) -> String {
        let template = self.template.get_template(NAME).expect("it was added");
        template.source().into()
    }

    /// The file for `members`, who are shown by name.
    ///
    /// # Errors
    /// What the template asks for and cannot have.
    pub(super) fn render(&self, members: &[Arc<Member>]) -> Result<Rendered, String> {
        let mut shown: Vec<&Arc<Member>> =
            members.iter().filter(|member| self.shows(member)).collect();
        shown.sort_unstable_by(|a, b| a.view.card.name.cmp(&b.view.card.name));
        let mut oddities = Oddities::default();
        let members = shown.into_iter().filter_map(|member| {
            let card = &member.view.card;
            if (self.is_comment)(&card.name) {
                oddities.misnamed.insert(card.name.clone());
                return None;
            }
            let port = self.port(card, &mut oddities.mistagged)?;
            Some(Shown::new(member, port))
        });
        let text = render(&self.template, members.collect(), &self.upstream);
        let text = text.map_err(|error| in_one_line(&error))?;
        Ok(Rendered { text, oddities })
    }

    fn shows(&self, member: &Member) -> bool {
        self.with_app_down || !matches!(member.view.app, Some(AppStatus::Down(_)))
    }

    /// Where its application listens. `None` of a member that does not say so.
    fn port(&self, card: &Card, mistagged: &mut Mistagged) -> Option<u16> {
        let Some(tag) = &self.port_tag else {
            return self.port.or_else(|| Some(card.address.port()));
        };
        let Some(said) = card.tags.value(tag) else {
            return self.port;
        };
        let own = said.parse::<NonZeroU16>().ok().map(NonZeroU16::get);
        if own.is_none() {
            mistagged.insert((card.name.clone(), said.into()));
        }
        own.or(self.port)
    }
}

/// The template, which was seen to work.
fn prepared(text: String) -> Result<Environment<'static>, String> {
    let mut template = environment();
    let added = template.add_template_owned(NAME, text);
    added.map_err(|error| in_one_line(&error))?;
    if let Some(unknown) = unknown_name(&template) {
        let names = NAMES.join(" and ");
        return Err(format!("unknown name `{unknown}`; there are {names}"));
    }
    template.set_fuel(Some(INSTRUCTIONS_TRIAL_MAX));
    tried(&template).map_err(|error| in_one_line(&error))?;
    template.set_fuel(Some(INSTRUCTIONS_MAX));
    Ok(template)
}

/// Tries it on members whose tags are numbers, then on such as it compares others with, so that
/// they come to what only those see. Of the latter only misnomers count: others need not be right
/// for what they were not made for.
fn tried(template: &Environment<'_>) -> Result<(), minijinja::Error> {
    let trial = |word: &str| {
        let members = vec![Shown::sample(word), Shown::sample(word)];
        render(template, members, "headcount").map(drop)
    };
    trial("1")?;
    let text = template.get_template(NAME)?;
    let words = text.source().split(['"', '\'']);
    let words = words.filter(|word| !word.is_empty() && !word.contains(char::is_whitespace));
    let is_misnomer = |error: &minijinja::Error| MISNOMERS.contains(&error.kind());
    let misnomer = words
        .take(WORDS_MAX)
        .find_map(|word| trial(word).err().filter(is_misnomer));
    misnomer.map_or(Ok(()), Err)
}

/// What is not there is nothing, as a tag that one member has and another lacks. Names that a
/// template gets wrong are found otherwise: see [`unknown_name`] and [`Shown`].
fn environment() -> Environment<'static> {
    let mut template = Environment::new();
    template.set_undefined_behavior(UndefinedBehavior::Chainable);
    template.set_auto_escape_callback(|_| AutoEscape::None);
    template.set_syntax(syntax());
    template.add_filter("label", label);
    template
}

/// A name that neither we nor the language nor the template gives a value.
fn unknown_name(environment: &Environment<'_>) -> Option<String> {
    let template = environment.get_template(NAME).expect("it was added");
    let is_known = |name: &String| {
        NAMES.contains(&name.as_str())
            || environment.globals().any(|(global, _)| global == name)
            // Set in one branch only, which is not seen behind it.
            || template.source().contains(&format!("set {name}"))
    };
    let names = template.undeclared_variables(false).into_iter();
    names.filter(|name| !is_known(name)).min()
}

fn render(
    template: &Environment<'_>,
    members: Vec<Shown>,
    upstream: &str,
) -> Result<String, minijinja::Error> {
    let members: Vec<_> = members.into_iter().map(Value::from_object).collect();
    let template = template.get_template(NAME)?;
    template.render(context! { members, upstream })
}

/// Lines that hold nothing but a tag leave nothing behind.
fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true);
    syntax.lstrip_blocks(true);
    syntax.keep_trailing_newline(true);
    syntax.build().expect("the usual signs")
}

/// Text as Prometheus calls labels.
fn label(text: &str) -> String {
    let sign = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    text.chars().map(sign).collect()
}

fn in_one_line(error: &minijinja::Error) -> String {
    let line = error
        .line()
        .map_or_else(String::new, |line| format!("line {line}: "));
    let detail = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => ": a loop that does not end, or takes too long".into(),
        (_, Some(detail)) => format!(": {detail}"),
        (_, None) => String::new(),
    };
    format!("{line}{}{detail}", error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::fuzzing, config::Outputs, feed::Filter};

    fn refused(text: &str) -> String {
        prepared(text.into()).expect_err(text)
    }

    #[test]
    fn each_of_ours_is_prepared() {
        for built_in in ["haproxy-map", "hosts", "json", "nginx", "prometheus"] {
            let file = format!("[[file]]\npath = '/members'\ntemplate = '{built_in}'");
            Renderer::new(&Outputs::of(&file).files[0]).unwrap();
        }
    }

    #[test]
    fn what_can_never_work_is_refused_with_its_line_and_what_is_wrong() {
        let each = |what: &str| refused(&format!("{{% for m in members %}}\n{what}{{% endfor %}}"));
        for (error, words) in [
            (
                refused("{{ nope }}"),
                &["unknown name `nope`", "members"][..],
            ),
            (each("{{ m.nmae }}"), &["line 2", "`nmae`", "`name`"]),
            (each("{% if m.nmae %}{% endif %}"), &["line 2", "`nmae`"]),
            (
                each("{{ m.name|nofilter }}"),
                &["line 2", "unknown filter", "nofilter"],
            ),
            (each("{{ m.tags.get('a') }}"), &["line 2", "not callable"]),
            (
                each("{% if m.tags.role == 'web' %}{{ m.nmae }}{% endif %}"),
                &["line 2", "`nmae`"],
            ),
            (
                each("{% if m.state != \"left\" %}{% else %}{{ m|nofilter }}{% endif %}"),
                &["line 2", "nofilter"],
            ),
            (
                refused(
                    "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
                ),
                &["line 1", "does not end"],
            ),
            (
                refused("{% for %}"),
                &["line 1", "syntax error", "unexpected"],
            ),
        ] {
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    #[test]
    fn what_a_member_lacks_is_nothing() {
        let shared = fuzzing::shared();
        let members = shared.feed().snapshot(&Filter::default()).members;
        let render = |text: &str| {
            let file = Outputs::of("[[file]]\npath = '/x'\ntemplate = 'hosts'")
                .files
                .remove(0);
            let template = prepared(text.into()).unwrap();
            let renderer = Renderer {
                template,
                ..Renderer::new(&file).unwrap()
            };
            renderer.render(&members).unwrap().text
        };
        let role = "{% for m in members %}{% if m.tags.role == 'web' %}no{% endif %}";
        for (text, expected) in [
            (role, ""),
            ("{% for m in members %}{{ m.tags.role }}{{ m.app }}", ""),
            (
                "{% for m in members %}{% if m.app or m.tags.a.b %}no{% endif %}",
                "",
            ),
            (
                "{% for m in members %}{{ m.tags.role|default('none') }}",
                "none",
            ),
            (
                "{% for m in members %}{{ m.tags.role is defined }}",
                "False",
            ),
            ("{% for m in members %}{{ m.tags.weight|int + 1 }}", "1"),
            (
                "{% for m in members %}{% if m.app %}{% set a = 1 %}{% endif %}{{ a }}",
                "",
            ),
        ] {
            assert_eq!(render(&format!("{text}{{% endfor %}}")), expected, "{text}");
        }
        assert_eq!(render("{{ members[7].name }}"), "");
    }

    #[test]
    fn a_name_that_would_be_a_comment_is_left_out_where_there_are_comments() {
        let shared = fuzzing::shared();
        let own = shared.feed().snapshot(&Filter::default()).members.remove(0);
        let named = |name: &str| {
            let mut member = (*own).clone();
            let card = (*own.view.card).clone();
            member.view.card = Arc::new(Card {
                name: name.into(),
                ..card
            });
            Arc::new(member)
        };
        let members = [named("a"), named("b#1"), named("#c")];
        for (template, left_out) in [
            ("haproxy-map", &["#c"][..]),
            ("hosts", &["#c", "b#1"]),
            ("json", &[]),
            ("prometheus", &[]),
        ] {
            let file = format!("[[file]]\npath = '/x'\ntemplate = '{template}'");
            let renderer = Renderer::new(&Outputs::of(&file).files[0]).unwrap();
            let Rendered { text, oddities } = renderer.render(&members).unwrap();
            for name in ["a", "b#1", "#c"] {
                let is_shown = !left_out.contains(&name);
                assert_eq!(text.contains(name), is_shown, "{template}: {text}");
            }
            let misnamed: Vec<_> = oddities.misnamed.iter().collect();
            assert_eq!(misnamed, left_out, "{template}");
        }
    }

    #[test]
    fn a_tag_that_is_no_port_gives_way_to_the_port_or_leaves_the_member_out() {
        let shared = fuzzing::shared();
        let own = shared.feed().snapshot(&Filter::default()).members.remove(0);
        for (port, tag, expected) in [
            (Some(80), Some("8080"), Some(8080)),
            (Some(80), Some("0"), Some(80)),
            (Some(80), Some("x"), Some(80)),
            (Some(80), None, Some(80)),
            (None, Some("0"), None),
            (None, Some("65536"), None),
            (None, None, None),
        ] {
            let file = Outputs::of("[[file]]\npath = '/x'\ntemplate = 'hosts'\nport-tag = 'p'");
            let renderer = Renderer {
                port,
                ..Renderer::new(&file.files[0]).unwrap()
            };
            let tags = tag.map(|tag| ("p".into(), tag.into()));
            let card = Card {
                tags: tags.into_iter().collect(),
                ..(*own.view.card).clone()
            };
            let mut mistagged = Mistagged::new();
            assert_eq!(
                renderer.port(&card, &mut mistagged),
                expected,
                "{port:?} {tag:?}"
            );
            assert_eq!(
                mistagged.len(),
                usize::from(tag.is_some() && tag != Some("8080"))
            );
        }
    }
}
