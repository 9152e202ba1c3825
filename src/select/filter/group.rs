//! Words put together: keys, comparisons, brackets, in the order in which MLflow's SQL parser (sqlparse 0.6) does it.

use super::token::{Token, TokenKind};

/// How deep brackets may stand in one another; MLflow's parser takes no more.
const MOST_DEPTH: usize = 100;

/// What a group is; what is no group is its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupKind {
    Word(TokenKind),
    Identifier,
    /// Something followed by a name, as if that were its alias.
    Alias,
    Function,
    Parenthesis,
    Square,
    /// A sum or the like.
    Operation,
    Comparison,
    /// Parted by commas.
    List,
}

/// A word or several, and where they stand, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) kind: GroupKind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Of a comparison: what stands left, the operator, what stands right.
    pub(super) parts: Vec<Group>,
}

use GroupKind::{Alias, Comparison, Function, Identifier, List, Operation, Parenthesis, Square, Word};

impl Group {
    pub(super) fn new(kind: GroupKind, first: &Group, last: &Group) -> Self {
        Group {
            kind,
            start: first.start,
            end: last.end,
            parts: Vec::new(),
        }
    }

    pub(super) fn text<'t>(&self, text: &'t str) -> &'t str {
        &text[self.start..self.end]
    }

    /// Whether it is this SQL word.
    pub(super) fn is_keyword(&self, text: &str, keyword: &str) -> bool {
        self.kind == Word(TokenKind::Keyword) && self.text(text).eq_ignore_ascii_case(keyword)
    }
}

/// Puts words together; none where brackets stand too deep.
pub(super) fn group(text: &str, tokens: &[Token]) -> Option<Vec<Group>> {
    let words = tokens.iter().map(|token| Group {
        kind: Word(token.kind),
        start: token.start,
        end: token.end,
        parts: Vec::new(),
    });
    let groups = brackets(
        words.collect(),
        TokenKind::OpenSquare,
        TokenKind::CloseSquare,
        Square,
    )?;
    let groups = brackets(groups, TokenKind::Open, TokenKind::Close, Parenthesis)?;
    let groups = follow(groups, Function, is_name, |kind| kind == Parenthesis);
    let groups = dotted(groups);
    let groups = follow(groups, Identifier, holds_items, |kind| kind == Square);
    let groups = groups.into_iter().map(|group| match group.kind {
        Word(TokenKind::Name | TokenKind::Symbol) => Group {
            kind: Identifier,
            ..group
        },
        _ => group,
    });
    let groups = follow(groups.collect(), Identifier, is_ordered, |kind| {
        kind == Word(TokenKind::Order)
    });
    let any = |_: &Group| true;
    let groups = infix(
        groups,
        Identifier,
        &|group| is_word(group, TokenKind::Cast),
        &any,
        &any,
    );
    let is_sum = |group: &Group| is_word(group, TokenKind::Operator) || is_word(group, TokenKind::Wildcard);
    let is_term = |group: &Group| is_operand(group.kind) || group.kind == Square;
    let groups = infix(groups, Operation, &is_sum, &is_term, &is_term);
    let is_value =
        |group: &Group| (is_operand(group.kind) && group.kind != Square) || group.is_keyword(text, "NULL");
    let is_operator = |group: &Group| is_word(group, TokenKind::Comparison);
    let groups = infix(groups, Comparison, &is_operator, &is_value, &is_value);
    let groups = follow(groups, Alias, may_have_alias, |kind| kind == Identifier);
    let is_comma = |group: &Group| is_word(group, TokenKind::Comma);
    Some(infix(groups, List, &is_comma, &is_listed, &is_listed))
}

fn is_word(group: &Group, kind: TokenKind) -> bool {
    group.kind == Word(kind)
}

fn is_name(kind: GroupKind) -> bool {
    matches!(kind, Word(TokenKind::Name | TokenKind::Placeholder))
}

/// What may stand before `[0]`.
fn holds_items(kind: GroupKind) -> bool {
    matches!(
        kind,
        Square | Identifier | Function | Word(TokenKind::Name | TokenKind::Symbol)
    )
}

/// What may stand before `DESC`.
fn is_ordered(kind: GroupKind) -> bool {
    matches!(kind, Identifier) || is_number(kind)
}

fn is_number(kind: GroupKind) -> bool {
    matches!(
        kind,
        Word(TokenKind::Integer | TokenKind::Float | TokenKind::Hexadecimal)
    )
}

fn is_operand(kind: GroupKind) -> bool {
    use TokenKind::{Float, Integer, Name, Placeholder, Single, Symbol};
    matches!(
        kind,
        Parenthesis
            | Function
            | Identifier
            | Operation
            | Word(Integer | Float | Single | Symbol | Name | Placeholder)
    )
}

fn may_have_alias(kind: GroupKind) -> bool {
    matches!(kind, Parenthesis | Function | Identifier | Operation | Comparison) || is_number(kind)
}

fn is_listed(group: &Group) -> bool {
    let is_word = matches!(group.kind, Word(TokenKind::Keyword | TokenKind::Wildcard));
    is_word
        || matches!(group.kind, Comparison | Alias)
        || (is_operand(group.kind) && group.kind != Parenthesis)
}

/// Puts what stands between brackets together.
fn brackets(groups: Vec<Group>, open: TokenKind, close: TokenKind, kind: GroupKind) -> Option<Vec<Group>> {
    let (mut out, mut opened): (Vec<Group>, Vec<usize>) = (Vec::new(), Vec::new());
    for group in groups {
        if is_word(&group, open) {
            opened.push(out.len());
            (opened.len() <= MOST_DEPTH).then_some(())?;
        } else if is_word(&group, close)
            && let Some(first) = opened.pop()
        {
            let whole = Group::new(kind, &out[first], &group);
            out.truncate(first);
            out.push(whole);
            continue;
        }
        out.push(group);
    }
    Some(out)
}

/// Puts a group and the next together.
fn follow(
    groups: Vec<Group>,
    kind: GroupKind,
    is_first: fn(GroupKind) -> bool,
    is_second: fn(GroupKind) -> bool,
) -> Vec<Group> {
    let mut out: Vec<Group> = Vec::new();
    for group in groups {
        match out.last_mut() {
            Some(last) if is_first(last.kind) && is_second(group.kind) => {
                *last = Group::new(kind, last, &group)
            }
            _ => out.push(group),
        }
    }
    out
}

/// Puts keys together: `params . "a b"`; a dot without a key belongs to what stands before it.
fn dotted(groups: Vec<Group>) -> Vec<Group> {
    use TokenKind::{Joiner, Name, Single, Symbol, Wildcard};
    let (mut out, mut before): (Vec<Group>, Option<GroupKind>) = (Vec::new(), None);
    let mut groups = groups.into_iter().peekable();
    while let Some(group) = groups.next() {
        let is_before = matches!(before, Some(Square | Identifier | Word(Name | Symbol)));
        before = Some(group.kind);
        if !is_word(&group, Joiner) || !is_before {
            out.push(group);
            continue;
        }
        let is_key = |group: &Group| {
            matches!(
                group.kind,
                Square | Function | Word(Name | Symbol | Wildcard | Single)
            )
        };
        let key = groups.next_if(is_key);
        before = Some(key.as_ref().map_or(Identifier, |key| key.kind));
        if let Some(last) = out.last_mut() {
            *last = Group::new(Identifier, last, key.as_ref().unwrap_or(&group));
        }
    }
    out
}

/// Puts together what an operator joins. What stands left of a second operator is what stood right of the first.
fn infix(
    groups: Vec<Group>,
    kind: GroupKind,
    is_operator: &dyn Fn(&Group) -> bool,
    is_left: &dyn Fn(&Group) -> bool,
    is_right: &dyn Fn(&Group) -> bool,
) -> Vec<Group> {
    let (mut out, mut left): (Vec<Group>, Option<Group>) = (Vec::new(), None);
    let mut groups = groups.into_iter().peekable();
    while let Some(group) = groups.next() {
        let is_joining = is_operator(&group) && left.as_ref().is_some_and(is_left);
        let right = if is_joining {
            groups.next_if(is_right)
        } else {
            None
        };
        let joined = right.and_then(|right| Some((out.pop()?, right)));
        let Some((first, right)) = joined else {
            left = Some(group.clone());
            out.push(group);
            continue;
        };
        left = Some(right.clone());
        let mut whole = Group::new(kind, &first, &right);
        if kind == Comparison {
            whole.parts = vec![first, group, right];
        }
        out.push(whole);
    }
    out
}
