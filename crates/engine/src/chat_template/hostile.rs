//! Templates that ask for too much end in an error that says what of; those of real models are rendered as ever.

use std::fmt::Write as _;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind};

use super::*;

fn conversation() -> Vec<ChatMessage> {
    let messages = [
        ("system", "Be brief. "),
        ("user", "  Write a poem about a tree, and an image.\n"),
        ("assistant", "<think>\nTrees & \"leaves\".\n</think>\n\nA tree is a tree."),
        ("user", "Another\none <|im_end|>"),
    ];
    messages.map(|(role, content)| ChatMessage::new(role, content)).to_vec()
}

/// What minijinja makes of a template without any confinement.
fn render_plainly(source: &str, messages: &[ChatMessage]) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", json::json_of);
    environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", |_format: String| FIXED_DATE);
    let messages: Vec<_> = messages
        .iter()
        .map(|message| context! { role => &message.role, content => &message.content })
        .collect();
    environment.render_str(
        source,
        context! { messages, tools => (), add_generation_prompt => true, bos_token => "<s>", eos_token => "</s>" },
    )
}

#[test]
fn templates_in_the_style_of_real_models_are_rendered_as_without_bounds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/templates");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        let template = ChatTemplate::new(&source, "<s>".to_owned(), "</s>".to_owned()).unwrap();
        for length in [1, 2, 4] {
            let all = conversation();
            for messages in [&all[..length], &all[1..length.max(2)]] {
                let plain = render_plainly(&source, messages);
                let confined = template.render(messages, &[]);
                match (&plain, &confined) {
                    (Ok(plain), Ok(confined)) => assert_eq!(plain, &confined.text, "{}", path.display()),
                    (Err(plain), Err(TemplateError::Refused(problem))) => {
                        assert_eq!(plain.detail().unwrap(), problem, "{}", path.display());
                    }
                    _ => panic!("{}: {plain:?}, {confined:?}", path.display()),
                }
                seen += usize::from(plain.is_ok());
            }
        }
    }
    assert!(seen > 40, "only {seen} were rendered");
}

/// Every construct that gates and jumps could disturb.
#[test]
fn the_language_means_what_it_means_without_bounds() {
    let sources = [
        "{{ [1, 2] + [3] }}{{ (1, 2) }}{{ {'a': [1, {'b': none}]} }}{{ 'a' ~ 1 ~ [2] }}{{ 7 // 2 ** 2 % 3 - -1 }}",
        "{{ 1 < 2 < 3 }}{{ 1 < 2 > 5 }}{{ 'a' in 'abc' and not ('x' in ['y']) or none }}{{ x or [] or 'last' }}",
        "{% for a, b in {'x': 1, 'y': 2}.items() if b > 1 %}{{ loop.index }}{{ a }}{% else %}none{% endfor %}",
        "{% for a in [] %}{{ a }}{% else %}none{% endfor %}{% for a in [1, 2, 3] %}{% if a == 2 %}{% continue %}{% endif %}{{ a }}{% endfor %}",
        "{% for a in [1, 2, 3] %}{% if a == 2 %}{% break %}{% endif %}{{ loop.cycle('x', 'y') }}{{ loop.previtem }}{{ loop.changed(a) }}{% endfor %}",
        "{% for node in [{'n': 1, 'c': [{'n': 2, 'c': []}]}] recursive %}({{ node.n }}{{ loop(node.c) }}){% endfor %}",
        "{% macro f(a, b=[1], c='d') %}{{ a }}{{ b }}{{ c }}{{ caller() if caller }}{% endmacro %}{{ f(1) }}{{ f(1, c=2, *[3]) }}{{ f(**{'a': 5}) }}{% call f(9) %}inside{% endcall %}",
        "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(20) }}{{ f }}",
        "{% set ns = namespace(a=1, l=[]) %}{% for i in range(3) %}{% set ns.a = ns.a * 2 %}{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.a }}{{ ns.l }}",
        "{% set x %}captured {{ 1 + 1 }}{% endset %}{{ x | upper }}{% filter replace('a', 'b') %}banana{% endfilter %}",
        "{% with a = 1, b = [a] %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}{{ (1 if false) is undefined }}{{ 2 if true else 3 }}",
        "{{ messages }}{{ messages == messages[:] }}{{ messages is sequence }}{{ (messages + [1]) | length }}{{ messages[-1].role }}{{ messages | tojson }}{{ messages | last }}{{ messages[::2] }}{{ messages | reverse | first }}{{ messages[1:][0].role }}{{ messages[9] }}{{ messages.x }}{{ messages == [] }}{{ [1] < messages }}{{ messages[0] in messages }}{{ messages.count(1) }}{{ (messages * 2) | length }}{{ messages ~ 'x' }}{{ messages[::-1] | map(attribute='role') | join('-') }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}",
        "{{ messages[0] | tojson(indent=2) }}{{ [1, {'a': '<\''}] | tojson(4) }}{{ [1] | tojson(true) }}{{ [[]] | tojson(indent=none) }}{{ {'b': 1, 'a': 2} | dictsort }}{{ [3, 1, 2] | sort(reverse=true) }}{{ [1, 1] | unique | list }}",
        "{% set a, b = [1, 2] %}{{ b }}{% if a == 2 %}x{% elif b == 2 %}y{% else %}z{% endif %}{% do [1].append %}",
        "{{ 'a,b'.split(',') }}{{ ','.join(['x', 'y']) }}{{ '{}-{:>4}'.format(1, 'z') }}{{ 'aXa'.replace('X', '--') }}{{ 'a b c'.split()[1] }}",
        "{{ '%05d|%s' | format(42, 'x') }}{{ 'x' * 3 }}{{ [0] * 3 }}{{ range(3) | list }}{{ dict(a=1) }}{{ 'x\ny' | indent(2) }}",
        "{{ undefined_thing }}{{ messages.nothing }}{{ loop }}{% raw %}{{ raw }}{% endraw %}{# comment #}",
        "{% set ns = namespace(a=1) %}{{ ns is defined }}{{ ns.a is defined }}{{ ns.b is undefined }}",
        "{% macro m(n) %}{{ n }}{% endmacro %}{% for x in [1, 2] %}{{ m(loop.index) }}{{ loop is defined }}{% endfor %}",
        "{{ 1 / 0 }}",
        "{{ nothing.at.all }}",
        "{{ 'a' + 1 }}",
    ];
    for source in sources {
        let plain = render_plainly(source, &conversation());
        let confined = ChatTemplate::new(source, "<s>".to_owned(), "</s>".to_owned())
            .and_then(|template| template.render(&conversation(), &[]));
        match (plain, confined) {
            (Ok(plain), Ok(confined)) => assert_eq!(plain, confined.text, "{source}"),
            (Err(_), Err(TemplateError::Refused(_) | TemplateError::Invalid(_))) => {}
            (plain, confined) => panic!("{source}: {plain:?}, {confined:?}"),
        }
    }
}

/// Templates that would take hours, gigabytes, or the whole process.
fn hostile() -> Vec<(&'static str, String)> {
    let own = |name, source: &str| (name, source.to_owned());
    let double = |what: &str, then: &str| {
        format!(
            "{{% set ns = namespace(x=[1, 2]) %}}{{% for i in range(60) %}}{{% set ns.x = {what} %}}{{% endfor %}}{then}"
        )
    };
    let deepen = |what: &str| {
        format!(
            "{{% set ns = namespace(x=[1]) %}}{{% for i in range(40000) %}}{{% set ns.x = {what} %}}{{% endfor %}}{{{{ ns.x }}}}"
        )
    };
    vec![
        own(
            "a loop in a loop",
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
        ),
        own(
            "a loop that makes nothing",
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        ),
        own(
            "a text doubled",
            "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        ),
        own(
            "a text doubled by +",
            "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        ),
        own("a text a billion times", "{{ 'a' * 1000000000 }}"),
        own("a list a billion times", "{{ [1] * 1000000000 }}"),
        own("a list a billion times, asked for its length", "{{ ([1] * 1000000000) | list | length }}"),
        own(
            "a replacement that grows",
            "{% set ns = namespace(s='aa') %}{% for i in range(60) %}{% set ns.s = ns.s | replace('a', ns.s) %}{% endfor %}",
        ),
        own(
            "a method that grows",
            "{% set ns = namespace(s='aa') %}{% for i in range(60) %}{% set ns.s = ns.s.replace('a', ns.s) %}{% endfor %}",
        ),
        own("a replacement of nothing", "{{ ('a' * 1000000).replace('', 'b' * 1000000) }}"),
        own("a join of much", "{{ ('a' * 1000000).join(range(90000)) }}"),
        own("a filter that joins much", "{{ range(90000) | join('a' * 1000000) }}"),
        own("a wide number", "{{ '%2000000000d' | format(1) }}"),
        own("a wide method", "{{ '{:2000000000}'.format(1) }}"),
        own("a precise method", "{{ '{:.2000000000f}'.format(1.0) }}"),
        own("a width from an argument", "{{ '{:{}}'.format(1, 2000000000) }}"),
        own("a text in many places", "{{ ('{0}' * 100000).format('x' * 1000000) }}"),
        own("a deep indent", "{{ 'a\nb' | indent(2000000000) }}"),
        own("a deep indent of json", "{{ [1] | tojson(indent=2000000000) }}"),
        own("a deep indent of json, in place", "{{ [1] | tojson(2000000000) }}"),
        own("a deep indent of json, as a float", "{{ [1] | tojson(2000000000.0) }}"),
        own(
            "deep json, indented as far as can be",
            "{% set ns = namespace(x=[1]) %}{% for i in range(25) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ([ns.x] * 900) | tojson(16) | length }}{% for i in range(40000) %}{% if ([ns.x] * 900) | tojson(16) %}{% endif %}{% endfor %}",
        ),
        own("a batch filled up", "{{ [1] | batch(2000000000, 0) | list }}"),
        own("many slices", "{{ [1] | slice(2000000000) | list }}"),
        own("a split into letters", "{{ (' a' * 10000000).split() | length }}"),
        own("lines that are indented far", "{{ ('\n' * 1000000) | indent(100000, true, true) }}"),
        own("lines that are indented by a text", "{{ ('a\n' * 100000) | indent('x' * 100000) }}"),
        own("json indented by a text", "{{ ([1] * 10000) | tojson(indent='x' * 1000000) }}"),
        own("a text of many letters", "{{ ('a' * 3000000) | list | length }}"),
        own(
            "a text turned around, for long",
            "{% for i in range(40000) %}{% if ('a' * 3000000)[::-1] %}{% endif %}{% endfor %}",
        ),
        own(
            "letters one by one",
            "{% for i in range(40000) %}{% for c in 'a' * 3000000 %}{% endfor %}{% endfor %}",
        ),
        own(
            "long texts compared for long",
            "{% set a = 'a' * 3000000 %}{% set b = 'a' * 3000000 %}{% for i in range(40000) %}{% if a == b %}{% endif %}{% endfor %}",
        ),
        own(
            "a long path to an attribute",
            "{% set p = 'a.' * 1000000 %}{% for i in range(40000) %}{% if [{'a': 1}] | map(attribute=p, default=0) | list %}{% endif %}{% endfor %}",
        ),
        own("many formats", "{{ ('%s' * 1000000) | format(*([1] * 40000)) }}"),
        own(
            "many results sorted, for long",
            "{% for i in range(40000) %}{% if range(40000) | sort(reverse=true) %}{% endif %}{% endfor %}",
        ),
        own(
            "many groups, for long",
            "{% set x = [{'a': 1}] * 9000 %}{% for i in range(40000) %}{% if x | groupby('a') %}{% endif %}{% endfor %}",
        ),
        own("all that there is", "{{ debug() }}"),
        own("a long complaint", "{{ raise_exception('no ' * 1000000) }}"),
        ("a long name", format!("{{{{ a {} }}}}", "b".repeat(90_000))),
        own("constants folded", "{{ [[[[1] * 1000] * 1000] * 1000] * 1000 }}"),
        own("constants folded into an argument", "{{ dict(a=[[[[1] * 1000] * 1000] * 1000] * 1000) }}"),
        own("a great power", "{{ 10 ** 10 ** 10 }}"),
        ("a list that holds itself twice", double("[ns.x, ns.x]", "{{ ns.x }}")),
        ("such lists compared", double("[ns.x, ns.x]", "{{ ns.x == [ns.x, 1] }}")),
        ("such lists as JSON", double("[ns.x, ns.x]", "{{ ns.x | tojson }}")),
        ("such tuples", double("(ns.x, ns.x)", "{{ ns.x }}")),
        ("such maps", double("{'a': ns.x, 'b': ns.x}", "{{ ns.x }}")),
        ("such maps made by dict", double("dict(a=ns.x, b=ns.x)", "{{ ns.x }}")),
        ("such sums", double("ns.x + ns.x", "{{ ns.x | sort }}")),
        ("such lists multiplied", double("[ns.x] * 9", "{{ ns.x }}")),
        ("such batches", double("[ns.x] | batch(1) | list + [ns.x]", "{{ ns.x }}")),
        own(
            "a macro that doubles its argument",
            "{% macro f(x, n) %}{% if n %}{{ f([x, x], n - 1) }}{% else %}{{ x }}{% endif %}{% endmacro %}{{ f([1], 60) }}",
        ),
        own(
            "a loop that doubles its items",
            "{% for x in [[1, 1]] recursive %}{{ loop([[x, x]]) }}{% endfor %}",
        ),
        own(
            "large values compared for long",
            "{% set x = range(30000) | list %}{% set y = range(30000) | list %}{% for i in range(300) %}{% for i in range(300) %}{% if x == y %}{% endif %}{% endfor %}{% endfor %}",
        ),
        own(
            "large values searched for long",
            "{% set x = [range(200) | list] * 200 %}{% for i in range(300) %}{% for i in range(300) %}{% if 'a' in x %}{% endif %}{% endfor %}{% endfor %}",
        ),
        own(
            "large values tested for long",
            "{% set x = [[range(200) | list] * 200] %}{% for i in range(300) %}{% for i in range(300) %}{% if x | unique | list | length > 5 %}{% endif %}{% endfor %}{% endfor %}",
        ),
        ("a list in a list, ever deeper", deepen("[ns.x]")),
        ("a map in a map, ever deeper", deepen("{'a': ns.x}")),
        ("a batch of a batch", deepen("ns.x | batch(1) | list")),
        ("items of items", deepen("dict(a=ns.x) | items | list")),
        own("a namespace that holds itself", "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}"),
        own(
            "a list with the namespace that holds it",
            "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns.x }}",
        ),
        own("a namespace in a namespace", "{% set ns = namespace(a=namespace()) %}{{ ns.a }}"),
        own("a namespace printed", "{% set ns = namespace(a=1) %}{{ ns }}"),
        own("a namespace compared", "{% set a = namespace() %}{{ a == a }}"),
        own("a loop in a list", "{% for x in [1] %}{{ [loop] }}{% endfor %}"),
        own("a macro without end", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
        own("loops without end", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"),
        ("a long chain of ~", format!("{{{{ {}1 }}}}", "a ~ ".repeat(30_000))),
        ("a long chain of -", format!("{{{{ {}1 }}}}", "-".repeat(100_000))),
        ("a long chain of not", format!("{{{{ {}1 }}}}", "not ".repeat(30_000))),
        ("a long chain of filters", format!("{{{{ 1{} }}}}", "|abs".repeat(30_000))),
        ("a long chain of attributes", format!("{{{{ a{} }}}}", ".b".repeat(60_000))),
        ("a long chain of elif", format!("{{% if 0 %}}{}{{% endif %}}", "{%elif 0%}".repeat(12_000))),
        ("many parentheses", format!("{{{{ {}1{} }}}}", "(".repeat(60_000), ")".repeat(60_000))),
        ("many brackets", format!("{{{{ {}1{} }}}}", "[".repeat(60_000), "]".repeat(60_000))),
        ("many loops", format!("{}{}", "{%for a in b%}".repeat(4_000), "{%endfor%}".repeat(4_000))),
        ("a huge template", "x".repeat(1 << 18)),
    ]
}

#[test]
fn hostile_templates_end_in_an_error_that_says_what_is_too_much() {
    let mut lines = String::new();
    for (name, source) in hostile() {
        let outcome = ChatTemplate::new(&source, "<s>".to_owned(), "</s>".to_owned())
            .and_then(|template| template.render(&conversation(), &[]));
        let problem = match outcome {
            Ok(prompt) => format!("RENDERS {} bytes", prompt.text.len()),
            Err(error) => error.to_string(),
        };
        let problem = problem.strip_prefix("the model's chat template ").unwrap_or(&problem);
        writeln!(lines, "{name}:\n    {problem}").unwrap();
    }
    insta::assert_snapshot!(lines);
}

/// What the bounds of the source let through is what the stack holds.
#[test]
fn the_deepest_templates_within_the_bounds_are_run() {
    let not = format!("{{{{ {}1 }}}}", "not ".repeat(1_990));
    let minus = format!("{{{{ {}1 }}}}", "-".repeat(1_990));
    let concatenated = format!("{{{{ {}1 }}}}", "a ~ ".repeat(990));
    let attributes = format!("{{{{ 1{} }}}}", "|abs".repeat(990));
    let elifs = format!("{{% if 0 %}}{}{{% endif %}}", "{%elif 0%}".repeat(500));
    let nested = format!("{}x{}", "{%if 1%}".repeat(140), "{%endif%}".repeat(140));
    let brackets = format!("{{{{ {}1{} | string | length }}}}", "[".repeat(30), "]".repeat(30));
    let macros =
        "{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}".to_owned();
    for source in [not, minus, concatenated, attributes, elifs, nested, brackets, macros] {
        let template = ChatTemplate::new(&source, String::new(), String::new()).unwrap();
        template.render(&conversation(), &[]).unwrap();
    }
}

#[test]
fn a_long_conversation_is_rendered_whole() {
    let long: Vec<ChatMessage> = (0..1_000)
        .map(|index| {
            let role = if index % 2 == 0 { "user" } else { "assistant" };
            ChatMessage::new(role, "a tree & its leaves\n".repeat(50))
        })
        .collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/templates");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        let template = ChatTemplate::new(&source, "<s>".to_owned(), "</s>".to_owned()).unwrap();
        let prompt =
            template.render(&long, &[]).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(prompt.text.len() > 1_000 * 980, "{}", path.display());
        assert_eq!(prompt.text, render_plainly(&source, &long).unwrap(), "{}", path.display());
    }
}
