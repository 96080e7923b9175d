//! Just enough XML to read the answers of S3.

/// The texts of all elements of this name, in order; elements have no attributes here except
/// `xmlns` and never hold one of the same name.
pub(crate) fn all(text: &str, element: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(&format!("<{element}")) {
        rest = &rest[at + element.len() + 1..];
        if !rest.starts_with(['>', '/', ' ']) {
            continue;
        }
        let (tag, after) = rest.split_once('>').unwrap();
        rest = after;
        if tag.ends_with('/') {
            found.push(String::new());
            continue;
        }
        let (inner, after) = rest.split_once(&format!("</{element}>")).unwrap();
        found.push(unescape(inner));
        rest = after;
    }
    found
}

/// The character that each entity stands for.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, after) = after.split_once(';').unwrap();
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => {
                let number = other.strip_prefix('#').unwrap();
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.unwrap()).unwrap()
            }
        });
        rest = after;
    }
    out.push_str(rest);
    out
}
