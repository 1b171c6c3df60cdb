//! The documentation of a loss, taken apart: the text that rustdoc shows, for a terminal and for JSON.

/// A piece of documentation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Block {
    /// Running text, to be wrapped.
    Prose(String),
    /// A formula, a table, a list: lines that stay as they are.
    Lines(Vec<String>),
}

/// A heading with what stands under it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Section {
    /// The heading; empty above the first.
    pub(crate) heading: String,
    /// What stands under it.
    pub(crate) blocks: Vec<Block>,
}

impl Section {
    /// The section as text, unwrapped.
    pub(crate) fn text(&self) -> String {
        let text = |block: &Block| match block {
            Block::Prose(text) => text.clone(),
            Block::Lines(lines) => lines.join("\n"),
        };
        self.blocks.iter().map(text).collect::<Vec<_>>().join("\n\n")
    }
}

/// The sections of a doc comment; the first has no heading.
pub(crate) fn sections(doc: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    // `///` leaves one blank before each line.
    let mut lines = doc.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).peekable();
    while let Some(line) = lines.next() {
        let blocks = &mut sections.last_mut().expect("there is always one").blocks;
        if line.starts_with("```") {
            let fenced = lines.by_ref().take_while(|line| !line.starts_with("```"));
            blocks.push(Block::Lines(fenced.map(str::to_owned).collect()));
        } else if let Some(heading) = line.strip_prefix('#') {
            let heading = heading.trim_start_matches('#').trim().to_owned();
            sections.push(Section { heading, blocks: Vec::new() });
        } else if is_set(line) {
            let mut set = vec![line.to_owned()];
            while let Some(more) = lines.next_if(|line| is_set(line) || line.starts_with("  ")) {
                set.push(more.to_owned());
            }
            blocks.push(Block::Lines(set));
        } else if !line.is_empty() {
            let mut text = line.to_owned();
            while let Some(more) =
                lines.next_if(|line| !line.is_empty() && !line.starts_with(['#', '`']))
            {
                text = format!("{text} {more}");
            }
            blocks.push(Block::Prose(plain(&text)));
        }
    }
    sections
}

/// Running text of a doc comment on one line.
pub(crate) fn flat(text: &str) -> String {
    plain(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A line of a table or of a list.
fn is_set(line: &str) -> bool {
    line.starts_with(['|', '-']) || line.starts_with("* ")
}

/// The text without the targets of its links, which lead nowhere in a terminal: [`Giou`](super::Giou), <https://…>.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(end) = rest.find("](") {
        let Some((start, length)) = rest[..end].rfind('[').zip(rest[end..].find(')')) else {
            break;
        };
        out.push_str(&rest[..start]);
        out.push_str(&rest[start + 1..end]);
        rest = &rest[end + length + 1..];
    }
    out.push_str(rest);
    for scheme in ["https://", "http://"] {
        while let Some(start) = out.find(&format!("<{scheme}")) {
            let Some(length) = out[start..].find('>') else { break };
            out.remove(start + length);
            out.remove(start);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOC: &str = " A loss: it\n falls.\n\n ```text\n L = x\n   + y\n ```\n\n where x is [`X`](super::X).\n\n # References\n\n Me, *Loss*.\n <https://example.org/a>\n";

    #[test]
    fn a_doc_comment_falls_into_its_parts() {
        let sections = sections(DOC);
        let [top, references] = &sections[..] else { panic!("{sections:?}") };
        assert_eq!(
            top.blocks,
            [
                Block::Prose("A loss: it falls.".into()),
                Block::Lines(vec!["L = x".into(), "  + y".into()]),
                Block::Prose("where x is `X`.".into()),
            ]
        );
        assert_eq!(references.heading, "References");
        assert_eq!(references.text(), "Me, *Loss*. https://example.org/a");
    }

    #[test]
    fn every_loss_has_a_summary_and_keeps_its_words() {
        for entry in detloss::losses::ALL {
            let sections = sections(entry.doc);
            assert!(matches!(sections[0].blocks[0], Block::Prose(_)), "{}", entry.name);
            let length: usize = sections.iter().map(|s| s.heading.len() + s.text().len()).sum();
            assert!(length * 10 > entry.doc.len() * 8, "{} lost words", entry.name);
        }
    }
}
