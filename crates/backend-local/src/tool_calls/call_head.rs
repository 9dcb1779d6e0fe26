//! The beginning of a call, from its opening brace to where it is certain: its name known, its arguments begun.
//!
//! Reads one character at a time, and says at the first one that cannot belong to a call that it does not. A call has
//! a name, arguments (also called parameters), and perhaps an id and a type, in any order. Keys and names are taken as
//! they are spelled, without escapes: names of functions have no character that would need one. Knows no marks around
//! calls, and does not keep what it has read but for arguments that come before the name.

/// The members of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Name,
    Arguments,
    /// An id or a type: a string, which is passed over.
    Other,
}

/// How the keys of a call are spelled.
const KEYS: [(&str, Member); 5] = [
    ("name", Member::Name),
    ("arguments", Member::Arguments),
    ("parameters", Member::Arguments),
    ("id", Member::Other),
    ("type", Member::Other),
];

/// What is to come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    List,
    Object,
    Key,
    InKey,
    Colon(Member),
    Value(Member),
    InName,
    InArguments,
    InOther(StringPlace),
    CommaBeforeKey,
}

/// What a character has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may still be a call.
    Undecided,
    /// It is none.
    NoCall,
    /// It is one.
    Call(BegunCall),
}

/// A call that is certain.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BegunCall {
    pub(super) name: String,
    /// What has come of its arguments: all, or their opening brace.
    pub(super) arguments: String,
    /// How far the object is read: within the arguments, or behind them.
    pub(super) braces: Braces,
}

/// How deep a text is in objects. Lists need not be counted to find where an object ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Braces {
    depth: usize,
    string: StringPlace,
}

/// Where in a string of JSON a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum StringPlace {
    #[default]
    Outside,
    Inside,
    BehindBackslash,
}

impl StringPlace {
    fn after(self, character: char) -> StringPlace {
        match (self, character) {
            (StringPlace::Outside, '"') | (StringPlace::BehindBackslash, _) => StringPlace::Inside,
            (StringPlace::Inside, '\\') => StringPlace::BehindBackslash,
            (StringPlace::Inside, '"') => StringPlace::Outside,
            (place, _) => place,
        }
    }
}

impl Braces {
    fn at_depth(depth: usize) -> Braces {
        Braces { depth, string: StringPlace::Outside }
    }

    /// Reads on, and tells how many objects are open then.
    pub(super) fn take(&mut self, character: char) -> usize {
        match (self.string, character) {
            (StringPlace::Outside, '{') => self.depth += 1,
            (StringPlace::Outside, '}') => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.string = self.string.after(character);
        self.depth
    }

    /// How many objects are open.
    pub(super) fn depth(self) -> usize {
        self.depth
    }
}

/// A reader of one call's beginning.
#[derive(Debug)]
pub(super) struct CallHead {
    expected: Expected,
    /// What there is of the key or the name that is being read.
    word: String,
    name: Option<String>,
    /// Arguments that came before the name.
    arguments: Option<String>,
    braces: Braces,
}

impl CallHead {
    fn expecting(expected: Expected) -> CallHead {
        CallHead { expected, word: String::new(), name: None, arguments: None, braces: Braces::default() }
    }

    /// Reads a list of calls, or the first of them.
    pub(super) fn of_list() -> CallHead {
        CallHead::expecting(Expected::List)
    }

    /// Reads a call.
    pub(super) fn of_object() -> CallHead {
        CallHead::expecting(Expected::Object)
    }

    /// Reads on. Not to be called again once it has decided.
    pub(super) fn take(&mut self, character: char, names: &[String]) -> Verdict {
        match self.expected {
            Expected::InKey => self.take_of_key(character),
            Expected::InName => self.take_of_name(character, names),
            Expected::InArguments => self.take_of_arguments(character),
            Expected::InOther(place) => {
                let place = place.after(character);
                let is_over = place == StringPlace::Outside;
                self.expect(if is_over { Expected::CommaBeforeKey } else { Expected::InOther(place) })
            }
            _ if matches!(character, ' ' | '\t' | '\n' | '\r') => Verdict::Undecided,
            _ => self.take_between(character),
        }
    }

    fn expect(&mut self, next: Expected) -> Verdict {
        self.expected = next;
        Verdict::Undecided
    }

    /// Outside of keys and values.
    fn take_between(&mut self, character: char) -> Verdict {
        match (self.expected, character) {
            (Expected::List, '[') => self.expect(Expected::Object),
            (Expected::Object, '{') | (Expected::CommaBeforeKey, ',') => self.expect(Expected::Key),
            (Expected::Key, '"') => self.expect(Expected::InKey),
            (Expected::Colon(member), ':') => self.expect(Expected::Value(member)),
            (Expected::Value(Member::Name), '"') => self.expect(Expected::InName),
            (Expected::Value(Member::Arguments), '{') => self.begin_arguments(),
            (Expected::Value(Member::Other), '"') => self.expect(Expected::InOther(StringPlace::Inside)),
            _ => Verdict::NoCall,
        }
    }

    fn take_of_key(&mut self, character: char) -> Verdict {
        if character != '"' {
            self.word.push(character);
            let is_begun = KEYS.iter().any(|(key, _)| key.starts_with(&self.word));
            return if is_begun { Verdict::Undecided } else { Verdict::NoCall };
        }
        let word = std::mem::take(&mut self.word);
        let member = KEYS.iter().find(|(key, _)| *key == word).map(|(_, member)| *member);
        match member {
            Some(Member::Name) if self.name.is_some() => Verdict::NoCall,
            Some(Member::Arguments) if self.arguments.is_some() => Verdict::NoCall,
            Some(member) => self.expect(Expected::Colon(member)),
            None => Verdict::NoCall,
        }
    }

    fn take_of_name(&mut self, character: char, names: &[String]) -> Verdict {
        if character != '"' {
            self.word.push(character);
            let is_begun = names.iter().any(|name| name.starts_with(&self.word));
            return if is_begun { Verdict::Undecided } else { Verdict::NoCall };
        }
        let name = std::mem::take(&mut self.word);
        if !names.contains(&name) {
            return Verdict::NoCall;
        }
        if let Some(arguments) = self.arguments.take() {
            return Verdict::Call(BegunCall { name, arguments, braces: Braces::at_depth(1) });
        }
        self.name = Some(name);
        self.expect(Expected::CommaBeforeKey)
    }

    fn begin_arguments(&mut self) -> Verdict {
        let arguments = "{".to_owned();
        if let Some(name) = self.name.take() {
            return Verdict::Call(BegunCall { name, arguments, braces: Braces::at_depth(2) });
        }
        self.arguments = Some(arguments);
        self.braces = Braces::at_depth(2);
        self.expect(Expected::InArguments)
    }

    fn take_of_arguments(&mut self, character: char) -> Verdict {
        if let Some(arguments) = &mut self.arguments {
            arguments.push(character);
        }
        let is_over = self.braces.take(character) == 1;
        self.expect(if is_over { Expected::CommaBeforeKey } else { Expected::InArguments })
    }
}
