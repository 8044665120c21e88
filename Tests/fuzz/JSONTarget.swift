import JSON

@testable import Sessions

/// The reader and writer of JSON: all its faces take the same texts, and what was read, written and read again is the same.
@Sendable func fuzzJSON(_ bytes: [UInt8]) {
    for rules in [JSONRules(), .python, .pythonWithoutDuplicates, JSONRules(deepest: 3)] { read(bytes, rules) }
    let isComplete = JSONDocument.isComplete(bytes, deepest: 64)
    let document = try? JSONDocument(bytes)
    let isContainer = document.map { $0.root.kind == .array || $0.root.kind == .object } ?? false
    expect(isComplete == isContainer, "`isComplete` and the reader agree")
    if let document { places(document.root, within: 0..<bytes.count) }
    if let text = String(validating: bytes, as: UTF8.self) { strings(text) }
}

private func read(_ bytes: [UInt8], _ rules: JSONRules) {
    do throws(JSONFault) {
        let value = try JSONValue(reading: bytes, rules)
        let styles: [JSONWriter.Style] = [
            .compact, .init(escapes: .short), .init(escapes: [.nonASCII, .slash]), .init(escapes: .slash, isPretty: true),
        ]
        for style in styles {
            let written = JSONWriter.bytes(of: value, style)
            expect(isSame(try? JSONValue(reading: written, rules), value), "what was written reads as what it was written of")
            expect(!style.escapes.contains(.nonASCII) || written.allSatisfy { $0 < 0x7F }, "non-ASCII is escaped")
        }
        for (spell, number) in [(JSONWriter.token, "token"), (JSONWriter.body, "body"), (JSONWriter.pydantic, "errors")] {
            let written = spell(value)
            // An infinite number is written as Python writes it, which is no JSON.
            guard let again = try? JSONValue(reading: written, .python) else {
                expect(hasInfinity(value), "Python's form of a \(number) is JSON")
                continue
            }
            expect(spell(again) == written, "Python's form of a \(number) is its own")
        }
        names(value)
        numbers(value)
        _ = PythonText.representation(value)
    } catch {
        expect((0...bytes.count).contains(error.offset), "a fault lies in the text")
        expect(!error.pythonWords.isEmpty && !error.description.isEmpty, "a fault has words")
    }
}

/// `==` of texts, byte by byte: Swift's own takes two spellings of a character for one.
private func isSame(_ one: JSONValue?, _ other: JSONValue) -> Bool {
    switch (one, other) {
    case (.string(let one)?, .string(let other)): one.isSpelled(other)
    case (.array(let one)?, .array(let other)): one.count == other.count && zip(one, other).allSatisfy { isSame($0, $1) }
    case (.object(let one)?, .object(let other)):
        one.count == other.count && zip(one, other).allSatisfy { $0.name.isSpelled($1.name) && isSame($0.value, $1.value) }
    default: one == other
    }
}

/// One member is left of each name, as the bytes tell names apart, and it is the one that is found.
private func names(_ value: JSONValue) {
    let single = value.withoutDuplicates
    expect(isSame(single.withoutDuplicates, single), "duplicates go at once")
    guard let members = value.members else { return }
    let spelled = Set(members.map { Array($0.name.utf8) })
    expect(single.members?.count == spelled.count, "names that differ in a byte are two names")
    for member in members {
        guard let found = value[member.name] else { return expect(false, "a member is found by its name") }
        expect(single[member.name].map { isSame($0, found.withoutDuplicates) } ?? false, "the last member of a name counts")
    }
}

private func numbers(_ value: JSONValue) {
    switch value {
    case .number(let text):
        guard let double = JSONNumber.double(text.utf8) else { return expect(false, "a number of JSON's grammar is one") }
        if let whole = value.integer {
            expect(Double(whole) == double, "a whole number and its Double are one")
            let again = JSONNumber.whole(String(whole).utf8, as: Int64.self)
            expect(again == whole, "a whole number reads back")
        }
        if let shortest = JSONNumber.text(double) { expect(JSONNumber.double(shortest.utf8) == double, "a Double reads back") }
        _ = (value.pythonInteger, value.isTruthy)
    case .string: _ = value.pythonInteger
    case .array(let items): items.forEach(numbers)
    case .object(let members): members.forEach { numbers($0.value) }
    default: break
    }
}

private func hasInfinity(_ value: JSONValue) -> Bool {
    switch value {
    case .number: value.double?.isInfinite ?? false
    case .array(let items): items.contains(where: hasInfinity)
    case .object(let members): members.contains { hasInfinity($0.value) }
    default: false
    }
}

/// Values lie within one another and one after the other, and each one's text is that value alone.
private func places(_ node: JSONNode, within outer: Range<Int>) {
    let range = node.range
    expect(!range.isEmpty && outer.lowerBound <= range.lowerBound && range.upperBound <= outer.upperBound, "a value lies in its container")
    if let alone = try? JSONDocument(node.raw) {
        expect(alone.root.kind == node.kind && isSame(JSONValue(alone.root), JSONValue(node)), "a value's bytes are that value")
    } else {
        expect(false, "a value's bytes are JSON")
    }
    var after = range.lowerBound
    for element in node.elements {
        expect(element.range.lowerBound > after, "elements come one after the other")
        after = element.range.upperBound
        places(element, within: range)
    }
    node.eachMember { name, value in
        expect(name.range.lowerBound > after && value.range.lowerBound > name.range.upperBound, "members come one after the other")
        after = value.range.upperBound
        if let text = name.string { expect(name.isText(text) && node.has(text), "a name is found by its text") }
        places(value, within: range)
    }
}

private func strings(_ text: String) {
    for escapes: JSONEscapes in [[], .short, .nonASCII, [.short, .slash, .nonASCII]] {
        let quoted = JSONWriter.quoted(text, escapes)
        expect(isSame(try? JSONValue(reading: quoted), .string(text)), "any text reads back")
        expect((try? JSONDocument(quoted))?.root.isText(text) ?? false, "any text is recognised")
    }
}
