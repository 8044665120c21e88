/// A boolean of a query, as pydantic reads it.
enum BooleanText {
    static func read(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "1", "true", "t", "yes", "y", "on": true
        case "0", "false", "f", "no", "n", "off": false
        default: nil
        }
    }
}
