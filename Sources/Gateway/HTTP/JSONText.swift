import Catalog

/// Strings as JSON (RFC 8259, section 7).
enum JSONText {
    static func quoted(_ text: String) -> [UInt8] { JSONWriter.quoted(text) }
}
