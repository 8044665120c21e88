import Testing

@testable import JSON

@Suite struct JSONDocumentTests {
    @Test("Values are found with their bytes and their meaning")
    func values() throws {
        let text = #" {"a" : [1.50, -2e3, true, null, "x\"\\\u00e9\ud83d\ude00"], "b":{"c":"d"}} "#
        let document = try JSONDocument(Array(text.utf8))
        let list = try #require(document.root["a"]).elements
        #expect(list.map { String(decoding: $0.raw, as: UTF8.self) }.prefix(4) == ["1.50", "-2e3", "true", "null"])
        #expect(list.map(\.kind) == [.number, .number, .true, .null, .string])
        #expect(list[4].string == "x\"\\é😀")
        #expect(document.root["b"]?["c"]?.string == "d")
        #expect(list[2].bool == true && list[3].isNull && list[0].double == 1.5 && list[1].integer == -2000)
        #expect(document.root.members.map(\.key) == ["a", "b"])
        #expect(String(decoding: document.bytes[document.root.range], as: UTF8.self) == text.dropFirst().dropLast())
    }

    @Test(
        "What is no complete JSON text is refused",
        arguments: [
            "", "{", "[1,]", "{\"a\":1,}", "nul", "\"\u{1}\"", "1 2", "{\"a\" 1}", "[1", "\"\\x\"", "\"a", "+1", "01x", ".5", "[\"\\u12\"]",
            String(repeating: "[", count: 200) + String(repeating: "]", count: 200),
        ])
    func refusals(_ text: String) {
        #expect(throws: JSONFault.self) { try JSONDocument(Array(text.utf8)) }
    }

    @Test("The writer's text is read back")
    func writer() throws {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("text", "a\"\\\n\u{7f}é")
            writer.member("none", String?.none)
            writer.key("list")
            writer.array { writer in
                writer.string("x")
                writer.object { $0.member("n", 5) }
                writer.array { _ in }
            }
            writer.member("yes", true)
        }
        let root = try JSONDocument(writer.bytes).root
        #expect(root["text"]?.string == "a\"\\\n\u{7f}é")
        #expect(root["list"]?.elements.count == 3)
        #expect(root.has("none") && root["none"] == nil)
    }
}
