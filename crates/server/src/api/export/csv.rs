//! Events as CSV: offset, id, type, channel, timestamp, data. Must not know sessions.

use durable_sessions_schema::Parser;

use super::Writer;

pub(super) struct Csv {
    pub(super) parser: Parser,
}

impl Writer for Csv {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"offset,id,type,channel,timestamp,data\r\n");
    }

    fn event(&mut self, out: &mut Vec<u8>, offset: u64, event: &[u8]) {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let cells = match self.parser.parse_event(event) {
            Ok(view) => [
                offset.to_string(),
                view.id().into_owned(),
                view.event_type().into_owned(),
                view.channel().name().to_owned(),
                view.timestamp_ms().to_string(),
                text(view.data()),
            ],
            // Stored before it was checked: shown as it is rather than left out.
            Err(_) => {
                let empty = String::new;
                [offset.to_string(), empty(), empty(), empty(), empty(), text(event)]
            }
        };
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            put_cell(out, cell);
        }
        out.extend_from_slice(b"\r\n");
    }

    fn end(&mut self, _out: &mut Vec<u8>) {}
}

/// Quoted where RFC 4180 wants it. What a spreadsheet would take for a formula gets an apostrophe, which makes it text.
fn put_cell(out: &mut Vec<u8>, cell: &str) {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && !cell.contains(['"', ',', '\r', '\n']) {
        out.extend_from_slice(cell.as_bytes());
        return;
    }
    out.push(b'"');
    if formula {
        out.push(b'\'');
    }
    out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_text() {
        let mut out = Vec::new();
        let mut csv = Csv { parser: Parser::new() };
        csv.begin(&mut out);
        csv.event(&mut out, 1, br#"{"id":"=1+1","type":"chunk","timestamp":5,"data":{"text":"a,\"b\""}}"#);
        csv.event(&mut out, 2, b"7");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "offset,id,type,channel,timestamp,data\r\n\
             1,\"'=1+1\",chunk,chunks,5,\"{\"\"text\"\":\"\"a,\\\"\"b\\\"\"\"\"}\"\r\n\
             2,,,,,7\r\n"
        );
    }
}
