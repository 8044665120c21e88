import Catalog
import Spotify

/// Lists for `warm`, as people and programs write them: every row is accounted for, and nothing takes more than its own line along.
@Sendable func fuzzCSV(_ bytes: [UInt8]) {
    let list = read(bytes)
    accounted(list)
    if !bytes.contains(0), !bytes.contains(UInt8(ascii: "\"")), String(validating: bytes, as: UTF8.self) != nil {
        let source = list.sources.first
        let rows = source.map { $0.named + $0.repeated + $0.skipped + $0.other }
        expect(rows == lines(bytes), "without quotes every line is a row")
    }
    expect(Set(list.resources).count == list.resources.count, "each thing stands there once")

    // Behind a list in UTF-8 stands one more line. Whatever came before it, it is read.
    guard String(validating: bytes, as: UTF8.self) != nil, !bytes.contains(0), !bytes.starts(with: [0xFE, 0xFF]) else { return }
    let last = "spotify:album:0000000000000000000zzz"
    let longer = read(bytes + Array("\n\(last)\n".utf8))
    accounted(longer)
    expect(longer.resources.contains { $0.name == "album/0000000000000000000zzz" }, "nothing takes another line along")
}

private func read(_ bytes: [UInt8]) -> WarmList {
    var list = WarmList(bareKind: .track)
    list.add(bytes, file: "list")
    return list
}

private func accounted(_ list: WarmList) {
    for source in list.sources {
        expect(source.named <= list.resources.count, "a row that names something new gives something new")
        expect(source.skipped == list.skipped.count, "each row that was skipped is told")
        expect(!source.text.isEmpty, "a list has words")
    }
    var before = 0
    for line in list.skipped {
        expect(line.line > before && !line.reason.isEmpty, "skipped rows stand in their order")
        before = line.line
    }
}

/// Lines with any of the three ends; the last one may lack it.
private func lines(_ bytes: [UInt8]) -> Int {
    var text = String(decoding: bytes, as: UTF8.self).unicodeScalars[...]
    // One mark at the beginning; a second one is a text like any other.
    if text.first == "\u{FEFF}" { text.removeFirst() }
    var count = 0
    var before: Unicode.Scalar = "\n"
    for scalar in text {
        if scalar == "\r" || scalar == "\n" && before != "\r" { count += 1 }
        before = scalar
    }
    return before == "\n" || before == "\r" ? count : count + 1
}
