import Testing

@testable import JSON

@Suite("Reading") struct ReadingTests {
    private func fault(_ text: String, _ rules: JSONRules = JSONRules()) -> JSONFault? { fault(Array(text.utf8), rules) }

    private func fault(_ bytes: [UInt8], _ rules: JSONRules = JSONRules()) -> JSONFault? {
        do throws(JSONFault) { _ = try JSONDocument(bytes, rules) } catch { return error }
        return nil
    }

    @Test("a missing member and one that is null are both nil, and can be told apart")
    func nulls() throws {
        let root = try JSONDocument(Array(#"{"none":null,"\u0061b":1}"#.utf8)).root
        #expect(root["none"] == nil && root.has("none"))
        #expect(root["other"] == nil && !root.has("other"))
        #expect(root["ab"]?.integer == 1, "a name with escapes is found by what it says")
        #expect(root["ab"]?["x"] == nil && root["ab"]?.elements.isEmpty == true && root["ab"]?.string == nil)
    }

    @Test(
        "what is no JSON is refused at the byte where it ceases to be",
        arguments: [
            ("", .expectedValue, 0), ("  ", .expectedValue, 2), ("{", .expectedName, 1), ("[1,]", .expectedValue, 3),
            ("{\"a\":1,}", .expectedName, 7), ("[nul]", .expectedValue, 1), ("\"\u{1}\"", .badString, 2), ("1 2", .extraData, 2),
            ("{\"a\" 1}", .expectedColon, 5), ("[1", .expectedComma, 2), ("[1 2]", .expectedComma, 3), ("\"\\x\"", .badString, 3),
            ("\"a", .badString, 2), ("+1", .expectedValue, 0), ("[01]", .expectedComma, 2), (".5", .expectedValue, 0),
            ("[1.]", .expectedValue, 1), ("[1e]", .expectedValue, 1), ("-", .expectedValue, 0), ("\"\\u12g4\"", .badString, 5),
            ("[\"\\u12\"]", .badString, 6), ("{a:1}", .expectedName, 1), ("[}", .expectedValue, 1), ("{]", .expectedName, 1),
            ("NaN", .expectedValue, 0), ("'a'", .expectedValue, 0), ("\u{feff}{}", .expectedValue, 0), ("{}\0", .extraData, 2),
        ] as [(String, JSONFault.Reason, Int)])
    func refusals(text: String, reason: JSONFault.Reason, offset: Int) {
        #expect(fault(text) == JSONFault(reason, at: offset))
    }

    @Test(
        "bytes that are no UTF-8 are named first, whatever else is wrong",
        arguments: [
            ([0x22, 0xff, 0x22], 1), ([0x22, 0xc0, 0x80, 0x22], 1), ([0x22, 0xe0, 0x80, 0x80, 0x22], 1),
            ([0x22, 0xed, 0xa0, 0x80, 0x22], 1),
            ([0x22, 0xf4, 0x90, 0x80, 0x80, 0x22], 1), ([0x22, 0xf0, 0x9f, 0x98, 0x22], 1), ([0x22, 0xc3], 1),
            ([0x7b, 0x78, 0x20, 0x80], 3),
            ([0x22, 0xe2, 0x82, 0x22], 1),
        ] as [([UInt8], Int)])
    func notUTF8(bytes: [UInt8], offset: Int) { #expect(fault(bytes) == JSONFault(.notUTF8, at: offset)) }

    @Test("every character is read in a string, whatever stands before it and after")
    func characters() throws {
        for scalar in ["\u{7f}", "\u{80}", "\u{7ff}", "\u{800}", "\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}", "\u{10ffff}"] {
            for before in 0..<17 {
                let text = String(repeating: "x", count: before) + scalar + "y\"z"
                let quoted = JSONWriter.quoted(text)
                #expect(try JSONDocument(quoted).root.string == text)
            }
        }
    }

    @Test("every control character, quote and backslash is seen at every place of a long string")
    func seen() {
        for place in 0..<40 {
            for byte: UInt8 in 0..<0x20 {
                var bytes = [UInt8](repeating: UInt8(ascii: "~"), count: 40)
                bytes[place] = byte
                #expect(fault([0x22] + bytes + [0x22]) == JSONFault(.badString, at: place + 2))
            }
        }
    }

    @Test("half of a surrogate pair reads as a replacement, or is refused")
    func surrogates() throws {
        let strict = JSONRules(refusesLoneSurrogates: true)
        for (text, read, place) in [
            (#""\ud800""#, "\u{fffd}", 7), (#""\udc00x""#, "\u{fffd}x", 7), (#""\ud83d\u0041""#, "\u{fffd}A", 13),
            (#""\ud83d\ud83d\ude00""#, "\u{fffd}😀", 13), (#""\ud83dx""#, "\u{fffd}x", 7), (#""\ud83d\n""#, "\u{fffd}\n", 8),
        ] {
            #expect(try JSONDocument(Array(text.utf8)).root.string == read)
            #expect(fault(text, strict) == JSONFault(.badString, at: place))
        }
        #expect(fault(#""\ud83d\ude00 \u00e9""#, strict) == nil)
    }

    @Test("the deepest value may stand as deep as the rules say, and a text that nests without end costs no stack")
    func depth() {
        func nested(_ levels: Int) -> [UInt8] {
            [UInt8](repeating: UInt8(ascii: "["), count: levels) + [UInt8](repeating: UInt8(ascii: "]"), count: levels)
        }
        #expect(fault(nested(4), JSONRules(deepest: 3)) == nil)
        #expect(fault(nested(5), JSONRules(deepest: 3)) == JSONFault(.tooDeep, at: 4))
        #expect(fault(nested(65)) == nil && fault(nested(66))?.reason == .tooDeep)
        #expect(fault(nested(100_000))?.reason == .tooDeep)
        #expect(JSONDocument.isComplete(nested(128)) && !JSONDocument.isComplete(nested(100_000)))
    }

    @Test("duplicates are kept in their order: a document shows the first, a value the last")
    func duplicates() throws {
        let text = #"{"a":1,"b":2,"\u0061":3}"#
        #expect(try JSONDocument(Array(text.utf8)).root["a"]?.integer == 1)
        let value = try JSONValue(reading: text)
        #expect(value["a"]?.integer == 3)
        #expect(value.members?.map(\.name) == ["a", "b", "a"])
        #expect(value.withoutDuplicates == ["a": 3, "b": 2])
        #expect(fault(text, JSONRules(refusesDuplicates: true)) == JSONFault(.duplicateName, at: 13))
        #expect(fault(#"{"a":{"a":1},"b":{"a":1}}"#, JSONRules(refusesDuplicates: true)) == nil)
    }

    @Test("names that differ in a byte are two names, though Swift takes the texts for one")
    func spellings() throws {
        let value = try JSONValue(reading: "{\"\u{e9}\":1,\"e\u{301}\":2}", JSONRules(refusesDuplicates: true))
        #expect(value.members?.count == 2)
        #expect(value.withoutDuplicates.members?.count == 2)
        #expect(value.withoutDuplicates["\u{e9}"] == 1 && value.withoutDuplicates["e\u{301}"] == 2)
    }

    @Test(
        "a complete text is one object or array",
        arguments: [
            ("{}", true), (" [ ] \n", true), ("{\"a\":[1,2.5,{\"x\":null}]}", true), ("null", false), ("\"a\"", false), ("1", false),
            ("<html></html>", false), ("", false), ("{} x", false), ("[\"\\ud800\"]", true),
        ])
    func complete(text: String, isComplete: Bool) { #expect(JSONDocument.isComplete(Array(text.utf8)) == isComplete) }

    @Test("a part of a document is read on its own")
    func slice() throws {
        let bytes = Array("xx[1]yy".utf8)
        #expect(try JSONDocument(bytes[2..<5]).root.elements.count == 1)
        #expect(JSONFault(.badString, at: 7).description == "a string is malformed (byte 7)")
    }
}
