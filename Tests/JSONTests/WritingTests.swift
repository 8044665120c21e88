import Foundation
import Testing

@testable import JSON

@Suite("Writing") struct WritingTests {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("pieces are put together with commas where they belong")
    func pieces() {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("text", "a\"\\\n\u{7f}é")
            writer.member("none", String?.none)
            writer.member("no number", Int?.none)
            writer.key("list")
            writer.array { writer in
                writer.string("x")
                writer.object { $0.member("n", 5) }
                writer.array { _ in }
                writer.null()
                writer.bool(false)
                writer.integer(UInt64.max)
            }
            writer.member("yes", true)
            writer.member("raw", raw: Array("[1, 2]".utf8))
            writer.member("no raw", raw: [UInt8]?.none)
            writer.member("value", ["a": .null] as JSONValue)
        }
        let expected =
            #"{"text":"a\"\\\u000a\#u{7f}é","none":null,"no number":null,"list":["x",{"n":5},[],null,false,18446744073709551615],"#
            + #""yes":true,"raw":[1, 2],"no raw":null,"value":{"a":null}}"#
        #expect(text(writer.bytes) == expected)
    }

    @Test("the place of the next value is known before it is written")
    func position() {
        var writer = JSONWriter()
        var places: [Int] = []
        writer.array { writer in
            for value in 0..<3 {
                places.append(writer.position)
                writer.integer(value)
            }
        }
        #expect(places == [1, 3, 5])
    }

    @Test(
        "each way to escape gives the bytes that its users have sent so far",
        arguments: [
            ([], #""\u0008\u0009\u000a\u000c\u000d\u001f\"\\/\#u{7f}é夜😀""#),
            ([.short], #""\b\t\n\f\r\u001f\"\\/\#u{7f}é夜😀""#),
            ([.short, .nonASCII], #""\b\t\n\f\r\u001f\"\\/\u007f\u00e9\u591c\ud83d\ude00""#),
            ([.short, .slash], #""\b\t\n\f\r\u001f\"\\\/\#u{7f}é夜😀""#),
        ] as [(JSONEscapes, String)])
    func escapes(escapes: JSONEscapes, expected: String) {
        #expect(text(JSONWriter.quoted("\u{8}\t\n\u{c}\r\u{1f}\"\\/\u{7f}é夜😀", escapes)) == expected)
    }

    @Test("strings are written as Foundation writes them, with and without escaped slashes")
    func foundation() throws {
        let plain = JSONEncoder()
        plain.outputFormatting = .withoutEscapingSlashes
        let usual = JSONEncoder()
        var source = RandomJSON(seed: 5)
        let controls = String(String.UnicodeScalarView((0..<0x90).compactMap { Unicode.Scalar($0) }))
        for round in 0..<500 {
            let string = round == 0 ? controls : try JSONValue(reading: source.string()).text ?? ""
            #expect(try Array(plain.encode(string)) == JSONWriter.quoted(string, .short))
            #expect(try Array(usual.encode(string)) == JSONWriter.quoted(string, [.short, .slash]))
        }
    }

    @Test("what people read is laid out as Foundation lays it out")
    func pretty() throws {
        struct Example: Encodable {
            var list = [1, 2]
            var empty: [Int] = []
            var inner = ["a": "b/c"]
            var nothing: [String: Int] = [:]
            var share = 0.5
            var whole = 3.0
            var yes = true
            var none: Int?
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let style = JSONWriter.Style(escapes: .short, sortsNames: true, isPretty: true)
        let value: JSONValue = [
            "list": [1, 2], "empty": [], "inner": ["a": "b/c"], "nothing": [:], "share": 0.5, "whole": 3.0, "yes": true,
        ]
        #expect(try text(Array(encoder.encode(Example()))) == text(JSONWriter.bytes(of: value, style)))
        let list = [Example(), Example()]
        #expect(try text(Array(encoder.encode(list))) == text(JSONWriter.bytes(of: [value, value], style)))
        #expect(try text(Array(encoder.encode([[[Int]]()]))) == text(JSONWriter.bytes(of: [[]], style)))
    }

    @Test("sorted names stand in the order of their bytes, and numbers as the style wants them")
    func style() throws {
        let value = try JSONValue(reading: #"{"é":1e2,"b":[{"z":1,"a":2}],"B":3,"a":1.50}"#)
        let style = JSONWriter.Style(sortsNames: true, number: { "<\($0)>" })
        #expect(text(JSONWriter.bytes(of: value, style)) == #"{"B":<3>,"a":<1.50>,"b":[{"a":<2>,"z":<1>}],"é":<1e2>}"#)
        #expect(text(JSONWriter.bytes(of: value)) == #"{"é":1e2,"b":[{"z":1,"a":2}],"B":3,"a":1.50}"#)
    }

    @Test("a value is written as Swift, and members that are nil are left out")
    func literals() {
        let name = "x"
        let value = JSONValue.object(["text": "a\(name)", "left out": nil, "null": .null, "n": 3, "list": [true, 1.5]])
        #expect(text(JSONWriter.bytes(of: value)) == #"{"text":"ax","null":null,"n":3,"list":[true,1.5]}"#)
        #expect(value["list"]?.items?.first?.bool == true)
        #expect(value["text"]?.text == "ax" && value["left out"] == nil && value["null"] == .null)
        #expect(value["n"]?.double == 3 && value["n"]?.text == nil && value["text"]?.integer == nil)
        #expect(value["text"]?.members == nil && value["text"]?.items == nil && value["n"]?.bool == nil && value["text"]?.double == nil)
    }

    @Test("what is written is read back as it was")
    func roundTrip() throws {
        var source = RandomJSON(seed: 6)
        let styles = [
            JSONWriter.Style.compact, JSONWriter.Style(escapes: [.short, .nonASCII, .slash]),
            JSONWriter.Style(escapes: .short, isPretty: true),
        ]
        for _ in 0..<1000 {
            let value = try JSONValue(reading: source.document())
            for style in styles { #expect(try JSONValue(reading: JSONWriter.bytes(of: value, style)) == value) }
        }
    }
}
