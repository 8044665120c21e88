/// Reads Cookie headers as swingmusic's library does, so that both see the same token.
enum CookieHeader {
    static let access = Array("access_token_cookie".utf8)
    static let refresh = Array("refresh_token_cookie".utf8)

    /// The values of the cookies of that name, in order, over all Cookie headers.
    static func values(of name: [UInt8], in headers: [String]) -> [[UInt8]] {
        var found: [[UInt8]] = []
        for header in headers { collect(name, Array(header.utf8), into: &found) }
        return found
    }

    /// How often a header could be read as carrying the cookie: any case of the name, after any separator. What stands behind us may
    /// read a header more freely than we do (nginx takes names in any case, and a comma as a separator).
    static func mentions(of name: [UInt8], in headers: [String]) -> Int {
        headers.reduce(0) { $0 + mentions(of: name, in: Array($1.utf8)) }
    }

    /// What nginx hands on as `$cookie_NAME` (ngx_http_parse_multi_header_lines), without the blanks at its end; nothing where it finds none.
    /// It takes the name at a header's beginning, and behind a semicolon or comma and spaces, but not behind a tab; and quotes for letters.
    static func handedOn(of name: [UInt8], in headers: [String]) -> [UInt8] {
        for header in headers {
            let text = Array(header.utf8)
            var start = 0
            while start < text.count {
                if let value = handedOn(of: name, in: text[start...]) { return value }
                guard let end = text[start...].firstIndex(where: { $0 == semicolon || $0 == comma }) else { break }
                start = text[(end + 1)...].firstIndex { $0 != space } ?? text.count
            }
        }
        return []
    }

    /// The value when the text begins with the name.
    private static func handedOn(of name: [UInt8], in text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.prefix(name.count).elementsEqual(name, by: { (65...90).contains($0) ? $0 + 32 == $1 : $0 == $1 }) else { return nil }
        var rest = text.dropFirst(name.count).drop { $0 == space }
        guard rest.popFirst() == equals else { return nil }
        rest = rest.drop { $0 == space }.prefix { $0 != semicolon }
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return Array(rest)
    }

    /// One pair after the other; a pair that is malformed is skipped up to the next semicolon.
    private static func collect(_ name: [UInt8], _ text: [UInt8], into found: inout [[UInt8]]) {
        var position = 0
        while position < text.count {
            if let pair = pair(text, position) {
                if text[pair.name].elementsEqual(name) { found.append(pair.value) }
                position = pair.end
            } else if let semicolon = text[position...].firstIndex(of: semicolon) {
                position = semicolon + 1
            } else {
                return
            }
        }
    }

    private static func pair(_ text: [UInt8], _ start: Int) -> (name: Range<Int>, value: [UInt8], end: Int)? {
        let first = skipBlank(text, start)
        var position = first
        while position < text.count, !isBlank(text[position]), text[position] != equals, text[position] != quote,
            text[position] != semicolon
        {
            position += 1
        }
        guard position > first else { return nil }
        let name = first..<position
        var value: [UInt8] = []
        position = skipBlank(text, position)
        if position < text.count, text[position] == equals {
            position = skipBlank(text, position + 1)
            (value, position) = self.value(text, position)
            position = skipBlank(text, position)
        }
        if position == text.count { return (name, value, position) }
        return text[position] == semicolon ? (name, value, position + 1) : nil
    }

    private static func value(_ text: [UInt8], _ start: Int) -> ([UInt8], Int) {
        if start < text.count, text[start] == quote, let quoted = quoted(text, start) { return quoted }
        var end = start
        while end < text.count, !isBlank(text[end]), text[end] != quote, text[end] != semicolon { end += 1 }
        return (Array(text[start..<end]), end)
    }

    /// A value in double quotes, its escapes (`\x` and three octal digits) undone; nil where it is not closed.
    private static func quoted(_ text: [UInt8], _ start: Int) -> ([UInt8], Int)? {
        var value: [UInt8] = []
        var position = start + 1
        while position < text.count {
            let byte = text[position]
            if byte == quote { return (value, position + 1) }
            guard byte == backslash else {
                value.append(byte)
                position += 1
                continue
            }
            if let octal = octal(text, position + 1) {
                value.append(octal)
                position += 4
            } else if position + 1 < text.count {
                value.append(text[position + 1])
                position += 2
            } else {
                return nil
            }
        }
        return nil
    }

    private static func octal(_ text: [UInt8], _ start: Int) -> UInt8? {
        guard start + 3 <= text.count else { return nil }
        var value = 0
        for byte in text[start..<(start + 3)] {
            guard (48...55).contains(byte) else { return nil }
            value = value * 8 + Int(byte - 48)
        }
        return UInt8(exactly: value)
    }

    private static func mentions(of name: [UInt8], in text: [UInt8]) -> Int {
        guard text.count > name.count else { return 0 }
        var count = 0
        for start in 0...(text.count - name.count - 1) where text[start] | 0x20 == name[0] {
            let end = start + name.count
            guard zip(text[start..<end], name).allSatisfy({ $0 == $1 || ($1 != underscore && $0 | 0x20 == $1) }) else { continue }
            let after = skipBlank(text, end)
            guard after < text.count, text[after] == equals else { continue }
            if start == 0 || !isNameByte(text[start - 1]) { count += 1 }
        }
        return count
    }

    private static let semicolon = UInt8(ascii: ";")
    private static let equals = UInt8(ascii: "=")
    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")
    private static let comma = UInt8(ascii: ",")
    private static let space = UInt8(ascii: " ")
    private static let underscore = UInt8(ascii: "_")

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (97...122).contains(byte | 0x20) || byte == underscore || byte == UInt8(ascii: "-")
    }

    private static func skipBlank(_ text: [UInt8], _ start: Int) -> Int {
        var position = start
        while position < text.count, isBlank(text[position]) { position += 1 }
        return position
    }
}
