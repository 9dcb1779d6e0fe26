use super::*;
use crate::plan::Plan;

fn delay(text: &str) -> Delay {
    let table: toml::Table = toml::from_str(&format!("delay = {text}")).unwrap();
    table["delay"].clone().try_into().unwrap()
}

fn times(text: &str) -> Vec<Duration> {
    delay(text).sampler(7).take(20_000).collect()
}

fn mean_ms(times: &[Duration]) -> f64 {
    times.iter().map(Duration::as_secs_f64).sum::<f64>() / times.len() as f64 * 1_000.0
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn fixed_and_recorded_times_come_as_they_are() {
    let first = |text: &str| delay(text).sampler(1).take(3).collect::<Vec<_>>();
    assert_eq!(first("'20ms'"), [millis(20); 3]);
    assert_eq!(first("{ fixed = '20ms' }"), [millis(20); 3]);
    assert_eq!(first("{ recorded = ['10ms', '35ms'] }"), [millis(10), millis(35), millis(10)]);
    assert_eq!(
        first("{ recorded = ['10ms', '35ms'], at_most = '20ms' }"),
        [millis(10), millis(20), millis(10)]
    );
    // Only what is drawn without an end of its own is held to a minute.
    assert_eq!(first("'2m'"), [millis(120_000); 3]);
    assert_eq!(Delay::fixed(millis(20)), delay("'20ms'"));
}

#[test]
fn jitter_is_uniform_around_the_time() {
    let times = times("{ fixed = '20ms', jitter = '5ms' }");
    assert!(times.iter().all(|time| (millis(15)..=millis(25)).contains(time)));
    assert!((19.9..20.1).contains(&mean_ms(&times)), "{}", mean_ms(&times));
    let above = times.iter().filter(|time| **time > millis(24)).count();
    assert!((1_800..2_200).contains(&above), "{above}");
}

#[test]
fn jitter_never_goes_below_zero() {
    let times = times("{ fixed = '1ms', jitter = '10ms' }");
    assert_eq!(times.iter().min(), Some(&Duration::ZERO));
    assert!(times.iter().all(|time| *time <= millis(11)));
}

#[test]
fn distributions_have_their_means() {
    for (text, low, high) in [
        ("{ distribution = 'uniform', low = '10ms', high = '30ms' }", 19.8, 20.2),
        ("{ distribution = 'normal', mean = '50ms', deviation = '5ms' }", 49.8, 50.2),
        // The half below 0 counts as 0: the mean is the deviation over the root of 2 pi.
        ("{ distribution = 'normal', mean = '0s', deviation = '10ms' }", 3.9, 4.1),
        // The mean of a logarithmic normal distribution is its median times e to the half of sigma squared.
        ("{ distribution = 'lognormal', median = '20ms', sigma = 0.5 }", 22.3, 23.0),
        ("{ distribution = 'exponential', mean = '20ms' }", 19.5, 20.5),
        ("{ distribution = 'gamma', shape = 2.0, mean = '20ms' }", 19.6, 20.4),
        ("{ distribution = 'gamma', shape = 0.5, mean = '20ms' }", 19.3, 20.7),
        // scale · shape / (shape − 1)
        ("{ distribution = 'pareto', scale = '10ms', shape = 3 }", 14.8, 15.2),
    ] {
        let mean = mean_ms(&times(text));
        assert!((low..high).contains(&mean), "{text}: {mean}");
    }
}

#[test]
fn distributions_keep_their_bounds() {
    let uniform = times("{ distribution = 'uniform', low = '10ms', high = '30ms' }");
    assert!(uniform.iter().all(|time| (millis(10)..=millis(30)).contains(time)));
    let pareto = times("{ distribution = 'pareto', scale = '10ms', shape = 0.5 }");
    assert_eq!(pareto.iter().max(), Some(&Duration::from_secs(60)));
    assert!(pareto.iter().all(|time| *time >= millis(10)));
    let capped = times("{ distribution = 'exponential', mean = '20ms', at_most = '25ms' }");
    assert_eq!(capped.iter().max(), Some(&millis(25)));
    let extreme = times("{ distribution = 'lognormal', median = '1h', sigma = 1000, at_most = '1h' }");
    assert!(extreme.iter().all(|time| *time <= Duration::from_secs(3_600)));
}

#[test]
fn the_same_seed_gives_the_same_times() {
    let delay = delay("{ distribution = 'lognormal', median = '20ms', sigma = 0.5 }");
    let first = |seed| delay.sampler(seed).take(5).collect::<Vec<_>>();
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
    // These very times are a promise: a plan with its seed repeats what it did.
    let micros: Vec<u128> = first(7).iter().map(Duration::as_micros).collect();
    assert_eq!(micros, [37_969, 23_579, 34_063, 35_552, 20_581]);
}

#[test]
fn errors_name_the_key() {
    for (text, expected) in [
        ("{}", "`delay` needs one of fixed, distribution, recorded"),
        (
            "5",
            "`delay` must be a table, in braces, with fixed, jitter, distribution, low, high, mean, deviation, \
               median, sigma, shape, scale, recorded, at_most",
        ),
        (
            "{ distribution = 'weibull' }",
            "`delay.distribution` must be one of \"uniform\", \"normal\", \"lognormal\", \
               \"exponential\", \"gamma\", \"pareto\"",
        ),
        ("{ distribution = 'gamma', mean = '1s' }", "`delay` needs `shape`"),
        (
            "{ distribution = 'uniform', low = '2s', high = '1s' }",
            "`delay` has `low` above `high`; swap them",
        ),
        (
            "{ distribution = 'exponential', mean = '1s', sigma = 1 }",
            "`delay` has `sigma`, which does not belong to \
               it; this kind has distribution, mean, at_most",
        ),
        (
            "{ fixed = '1s', recorded = ['1s'] }",
            "`delay` has both `fixed` and `recorded`; leave one of them out",
        ),
        ("{ distribution = 'pareto', scale = '1s', shape = 0 }", "`delay.shape` must be above 0, up to 1000"),
        (
            "{ recorded = ['1'] }",
            "`delay.recorded[0]` is no duration; write a number and one of the units us, ms, s, m \
               and h, such as \"500ms\"",
        ),
    ] {
        let table: toml::Table = toml::from_str(&format!("delay = {text}")).unwrap();
        let error = table["delay"].clone().try_into::<Delay>().unwrap_err();
        assert_eq!(error.message(), expected, "{text}");
    }
}

#[test]
fn a_latency_is_read_from_another_file() {
    let latency: Latency = toml::from_str("first_token = '1s'\nbetween_tokens.fixed = '20ms'").unwrap();
    assert_eq!(latency.first_token, Some(Delay::fixed(millis(1_000))));
    assert_eq!(latency.between_tokens, Some(Delay::fixed(millis(20))));
    assert!(Latency::default().is_empty() && !latency.is_empty());
    let plan = Plan::parse("latency = { first_token = '1s', between_tokens.fixed = '20ms' }").unwrap();
    assert_eq!(plan.to_string(), "latency = { first_token = \"1s\", between_tokens = \"20ms\" }");
    assert_eq!(delay("{ fixed = '1s', jitter = '1ms' }").to_string(), "{ fixed = \"1s\", jitter = \"1ms\" }");
}
