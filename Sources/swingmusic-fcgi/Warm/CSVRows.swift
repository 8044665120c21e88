/// Rows of comma-separated values (RFC 4180), with semicolons and tabs as separators too; a plain list is rows of one field.
enum CSVRows {
    static func read(_ text: String) -> [[String]] {
        var rows: [[String]] = []
        var row: [String] = []
        var field = ""
        var isQuoted = false
        var scalars = text.unicodeScalars.makeIterator()
        var next = scalars.next()
        if next == "\u{FEFF}" { next = scalars.next() }  // a byte-order mark
        while let scalar = next {
            next = scalars.next()
            switch scalar {
            case "\"" where isQuoted && next == "\"":
                field.unicodeScalars.append(scalar)
                next = scalars.next()
            case "\"" where isQuoted: isQuoted = false
            case "\"" where field.isEmpty: isQuoted = true
            case ",", ";", "\t":
                if isQuoted { field.unicodeScalars.append(scalar) } else { end(&field, &row) }
            case "\n" where !isQuoted, "\r" where !isQuoted:
                end(&field, &row)
                rows.append(row)
                row = []
            default: field.unicodeScalars.append(scalar)
            }
        }
        end(&field, &row)
        return rows + [row]
    }

    private static func end(_ field: inout String, _ row: inout [String]) {
        row.append(field)
        field = ""
    }
}
