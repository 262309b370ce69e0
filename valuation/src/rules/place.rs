//! Keys and lines of a TOML text: an error about a value must say where it stands.

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

/// The dotted key whose entry encloses byte `offset`; empty at the top level.
pub(super) fn key_at(table: &DeTable<'_>, offset: usize) -> String {
    for (name, value) in table {
        let entry = name.span().start..value.span().end.max(name.span().end);
        let inside = key_in(value, offset);
        if entry.contains(&offset) || inside.is_some() {
            return join(name.get_ref(), &inside.unwrap_or_default());
        }
    }
    String::new()
}

fn key_in(value: &Spanned<DeValue<'_>>, offset: usize) -> Option<String> {
    match value.get_ref() {
        DeValue::Table(table) => {
            let key = key_at(table, offset);
            (!key.is_empty() || value.span().contains(&offset)).then_some(key)
        }
        DeValue::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let key = key_in(item, offset);
            (key.is_some() || item.span().contains(&offset))
                .then(|| join(&format!("[{index}]"), &key.unwrap_or_default()))
        }),
        _ => None,
    }
}

fn join(head: &str, tail: &str) -> String {
    match tail {
        "" => head.to_owned(),
        tail if tail.starts_with('[') => format!("{head}{tail}"),
        tail => format!("{head}.{tail}"),
    }
}

/// The byte at which the entry of a dotted key starts; of the longest prefix of it that exists.
pub(super) fn offset_of(table: &DeTable<'_>, key: &str) -> usize {
    let mut offset = 0;
    let mut value: Option<&DeValue<'_>> = None;
    for step in key.split(['.', '[']).filter(|step| !step.is_empty()) {
        if let Some(index) = step.strip_suffix(']') {
            let item = index.parse::<usize>().ok().and_then(|index| match value {
                Some(DeValue::Array(items)) => items.get(index),
                _ => None,
            });
            let Some(item) = item else { break };
            offset = item.span().start;
            value = Some(item.get_ref());
        } else {
            let table = match value {
                None => table,
                Some(DeValue::Table(inner)) => inner,
                Some(_) => break,
            };
            let Some((name, inner)) = table.iter().find(|(name, _)| name.get_ref() == step) else {
                break;
            };
            offset = name.span().start;
            value = Some(inner.get_ref());
        }
    }
    offset
}

/// 1-based line of a byte.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "id = \"x\"\n[a]\nb = [1,\n 2]\nc = [{ d = 1 },\n { d = 2 }]\n[a.e]\nf = 3\n";

    #[test]
    fn keys_lead_to_lines_and_back() {
        let document = DeTable::parse(TEXT).expect("TOML");
        let table = document.get_ref();
        for (key, line) in
            [("id", 1), ("a.b", 3), ("a.b[1]", 4), ("a.c[1].d", 6), ("a.e.f", 8), ("a.c[0].d", 5)]
        {
            let offset = offset_of(table, key);
            assert_eq!(line_of(TEXT, offset), line, "{key}");
            assert_eq!(key_at(table, offset), key);
        }
        assert_eq!(line_of(TEXT, offset_of(table, "a.e.missing")), 7, "the nearest place");
    }
}
