import Foundation
import Testing

@testable import JSON

/// The reader beside Foundation's JSONSerialization, on random documents and on what accidents make of them.
@Suite("The reader agrees with Foundation") struct AgainstFoundationTests {
    @Test("on what random documents say")
    func documents() throws {
        var source = RandomJSON(seed: 1)
        for _ in 0..<3000 {
            let bytes = source.document()
            let theirs = try JSONSerialization.jsonObject(with: Data(bytes))
            let ours = try JSONValue(reading: bytes)
            #expect(Self.isSame(ours, theirs), "\(String(decoding: bytes, as: UTF8.self))")
            #expect(JSONDocument.isComplete(bytes))
        }
    }

    /// Foundation is the more lenient of the two in known ways, so it is asked only about what our reader takes; what ours refuses it may
    /// take only for the reasons that `isKnownLeniency` names.
    @Test("on which texts with an accident are still JSON")
    func accidents() throws {
        var source = RandomJSON(seed: 2)
        var taken = 0
        var refused = 0
        for _ in 0..<20_000 {
            let document = source.document()
            let bytes = source.mutation(of: document)
            let theirs = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            do throws(JSONFault) {
                let ours = try JSONValue(reading: bytes)
                taken += 1
                guard let theirs else {
                    #expect(Self.isKnownStrictness(ours, bytes), "only ours takes \(String(decoding: bytes, as: UTF8.self))")
                    continue
                }
                #expect(Self.hasDuplicates(ours) || Self.isSame(ours, theirs), "\(String(decoding: bytes, as: UTF8.self))")
            } catch {
                refused += 1
                #expect((0...bytes.count).contains(error.offset))
                #expect(theirs == nil || Self.isKnownLeniency(bytes), "only Foundation takes \(bytes): \(error)")
            }
        }
        // The accidents are of both kinds, or the test says nothing.
        #expect(taken > 2000 && refused > 2000)
    }

    @Test("on every cut of a document: none is complete")
    func cuts() {
        var source = RandomJSON(seed: 3)
        for _ in 0..<200 {
            let bytes = source.document()
            let end = (bytes.lastIndex { $0 == UInt8(ascii: "}") || $0 == UInt8(ascii: "]") } ?? 0)
            for length in 0...end { #expect(!JSONDocument.isComplete(Array(bytes[..<length]))) }
        }
    }

    private static func isSame(_ ours: JSONValue, _ theirs: Any) -> Bool {
        switch ours {
        case .null: return theirs is NSNull
        case .bool(let value): return (theirs as? NSNumber).map { String(cString: $0.objCType) == "c" && $0.boolValue == value } ?? false
        case .number:
            guard let number = theirs as? NSNumber, let value = ours.double else { return false }
            return number.doubleValue == value
        case .string(let text): return (theirs as? String).map { $0.utf8.elementsEqual(text.utf8) } ?? false
        case .array(let items):
            guard let list = theirs as? [Any], list.count == items.count else { return false }
            return zip(items, list).allSatisfy(isSame)
        case .object(let members):
            guard let named = theirs as? [String: Any], named.count == members.count else { return false }
            return members.allSatisfy { member in named[member.name].map { isSame(member.value, $0) } ?? false }
        }
    }

    /// Names that Swift's dictionaries hold to be one count as duplicates.
    private static func hasDuplicates(_ value: JSONValue) -> Bool { value.withoutDuplicates != value }

    /// Foundation guesses UTF-16 and UTF-32 from zero bytes, drops a byte order mark, and lets an array end in a comma.
    private static func isKnownLeniency(_ bytes: [UInt8]) -> Bool {
        let dense = bytes.filter { !" \t\r\n".utf8.contains($0) }
        return bytes.prefix(4).contains(0) || bytes.starts(with: [0xEF, 0xBB, 0xBF])
            || zip(dense, dense.dropFirst()).contains { $0 == (0x2C, 0x5D) }
    }

    /// Foundation refuses half of a surrogate pair, and numbers that no Double holds.
    private static func isKnownStrictness(_ value: JSONValue, _ bytes: [UInt8]) -> Bool {
        isInfinite(value) || String(decoding: bytes, as: UTF8.self).lowercased().contains("\\ud")
    }

    private static func isInfinite(_ value: JSONValue) -> Bool {
        switch value {
        case .number: value.double?.isInfinite ?? false
        case .array(let items): items.contains(where: isInfinite)
        case .object(let members): members.contains { isInfinite($0.value) }
        default: false
        }
    }
}
