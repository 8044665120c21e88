/// Where the latest log lines at warning and above, of all workers, stand in `figures.shared`.
///
/// An entry's number is taken away before its bytes are written and put back after; a reader that finds another number after than
/// before throws the entry away, and so does it with one whose writer was killed.
enum LogRing {
    static let entries = 64
    static let entryBytes = 512
    static let bytes = entries * entryBytes
    enum Field { static let number = 0, time = 8, process = 16, level = 24, length = 32, text = 40 }
    static let longestText = entryBytes - Field.text
}
