import Testing

@testable import Catalog

@Suite struct JSONDocumentTests {
    @Test("Values are found with their bytes and their meaning")
    func values() throws {
        let text = #" {"a" : [1.50, -2e3, true, null, "x\"\\\u00e9\ud83d\ude00"], "b":{"c":"d"}} "#
        let document = try #require(JSONDocument(Array(text.utf8)))
        let list = try #require(document.root["a"]?.elements)
        #expect(list.map { String(decoding: document.raw($0), as: UTF8.self) }.prefix(4) == ["1.50", "-2e3", "true", "null"])
        #expect(document.string(list[4]) == "x\"\\é😀")
        #expect(document.string(document.root["b"]?["c"]) == "d")
        #expect(document.bool(list[2]) == true)
    }

    @Test(
        "What is no complete JSON text is refused",
        arguments: [
            "", "{", "[1,]", "{\"a\":1,}", "nul", "\"\u{1}\"", "1 2", "{\"a\" 1}", "[1", "\"\\x\"", "\"a", "+1", "01x", ".5", "[\"\\u12\"]",
            String(repeating: "[", count: 200) + String(repeating: "]", count: 200),
        ])
    func refusals(_ text: String) {
        let document = JSONDocument(Array(text.utf8))
        // A bad escape shows when the string is read.
        #expect(document == nil || document?.string(document?.root.elements.first ?? document?.root) == nil)
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
        let document = try #require(JSONDocument(writer.bytes))
        #expect(document.string(document.root["text"]) == "a\"\\\n\u{7f}é")
        #expect(document.root["list"]?.elements.count == 3)
        #expect(document.root.has("none") && document.root["none"] == nil)
    }
}
