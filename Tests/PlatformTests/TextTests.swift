import Foundation
import Logging
import Testing

@testable import Platform

@Suite("Bytes as text") struct BytesAsTextTests {
    @Test("hexadecimal is lower case, and digits of either case are read")
    func hexadecimal() {
        #expect(Hexadecimal.text([0, 0x0f, 0xa5, 0xff]) == "000fa5ff" && Hexadecimal.text([]) == "")
        var bytes: [UInt8] = []
        Hexadecimal.append(0x0123_4567_89ab_cdef as UInt64, to: &bytes)
        #expect(String(decoding: bytes, as: UTF8.self) == "0123456789abcdef")
        #expect("09afAF".utf8.map { Hexadecimal.value(of: $0) } == [0, 9, 10, 15, 10, 15])
        #expect("/:@G`g ".utf8.allSatisfy { Hexadecimal.value(of: $0) == nil })
    }

    @Test("base64url is Foundation's base64 with other letters and no padding, and is read back")
    func base64() {
        for length in 0..<70 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ length) }
            let text = Base64URL.encode(bytes)
            let theirs = Data(bytes).base64EncodedString().filter { $0 != "=" }.map { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 }
            #expect(String(decoding: text, as: UTF8.self) == String(theirs))
            #expect(Base64URL.decode(text) == bytes)
        }
    }

    @Test("what is no exact base64url is refused", arguments: ["A", "AB=", "A+B", "AA==", "AB", "A B", "AAAAA"])
    func inexact(text: String) { #expect(Base64URL.decode(text.utf8) == nil) }

    @Test("random names have their form, and no two are the same")
    func names() {
        let uuids = (0..<200).map { _ in RandomName.uuid() }
        #expect(Set(uuids).count == 200)
        for uuid in uuids {
            #expect(UUID(uuidString: uuid) != nil && uuid == uuid.lowercased())
            #expect(Array(uuid)[14] == "4" && "89ab".contains(Array(uuid)[19]))
        }
        #expect(RandomName.letters(bits: 128).utf8.count == 22 && RandomName.letters(bits: 36).utf8.count == 6)
        #expect(Set((0..<200).map { _ in RandomName.letters(bits: 128) }).count == 200)
    }
}

@Suite("Percent-encoding") struct PercentEncodingTests {
    @Test("all but unreserved characters are encoded, in upper case, and what is to stay stays")
    func encode() {
        #expect(PercentEncoding.encode("aZ09-._~") == "aZ09-._~")
        #expect(PercentEncoding.encode("a b/ü,😀%") == "a%20b%2F%C3%BC%2C%F0%9F%98%80%25")
        #expect(PercentEncoding.encode("a,b/c", keeping: ",") == "a,b%2Fc" && PercentEncoding.encode("/ü", keeping: "/ü") == "/%C3%BC")
        let allowed = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        let text = String(String.UnicodeScalarView((0..<0x250).compactMap { Unicode.Scalar($0) }))
        #expect(PercentEncoding.encode(text) == text.addingPercentEncoding(withAllowedCharacters: allowed))
        #expect(PercentEncoding.decode(PercentEncoding.encode(text)) == text)
    }

    @Test("a plus is a space only in forms")
    func plus() {
        #expect(PercentEncoding.decode("a+b%20c%2B") == "a+b c+" && PercentEncoding.decode("a+b%20c%2B", plusIsSpace: true) == "a b c+")
    }

    @Test("what is half encoded, or no UTF-8, is not read", arguments: ["%", "a%2", "%zz", "%+1", "%ff", "%c3", "%ed%a0%80", "%%41"])
    func malformed(text: String) { #expect(PercentEncoding.decode(text) == nil) }

    @Test("as bytes it may be no text")
    func bytes() {
        #expect(PercentEncoding.bytes("%ff+%00%C3".utf8) == [0xff, 0x2b, 0, 0xc3] && PercentEncoding.bytes("%2".utf8) == nil)
    }
}

@Suite("Trouble said once") struct LogOnceTests {
    private let lines = LogLines()
    private func time(_ seconds: Int64) -> WallTime { WallTime(milliseconds: 1_000_000 + seconds * 1000) }

    @Test("it is said when it begins and when it is over, not in between")
    func once() {
        let once = LogOnce(lines.logger)
        once.settle("never said")
        for second in 0..<100 { once.raise("gone", now: time(Int64(second)), "file: gone", metadata: ["path": "x"]) }
        #expect(once.reason == "gone")
        for _ in 0..<3 { once.settle("file: back") }
        #expect(lines.lines == ["warning file: gone path=x", "notice file: back"] && once.reason == nil)
    }

    @Test("another trouble is news, the same one after a while, and a clock that was set back hides nothing")
    func again() {
        let once = LogOnce(lines.logger, repeatedEvery: .seconds(60))
        let said = [("a", 0), ("a", 59), ("a", 60), ("b", 61), ("b", 62), ("a", 63), ("a", 50)].map { reason, second in
            once.raise(reason, now: time(Int64(second)), level: .error, "\(reason)")
        }
        #expect(said == [true, false, true, true, false, true, true])
        #expect(lines.lines == ["error a", "error a", "error b", "error a", "error a"])
    }

    @Test("troubles of one kind are one, and the last reason is known")
    func kinds() {
        let once = LogOnce(lines.logger)
        #expect(once.raise("disk full", kind: "write", now: time(0), "no writing"))
        #expect(!once.raise("read-only", kind: "write", now: time(1), "no writing"))
        #expect(once.reason == "read-only")
        #expect(once.settle("writing again") && !once.settle("writing again"))
    }

    @Test("of threads that meet the same trouble at once one says it")
    func crowd() {
        let once = LogOnce(lines.logger)
        DispatchQueue.concurrentPerform(iterations: 8) { _ in once.raise("gone", now: time(0), "gone") }
        #expect(lines.lines.count == 1)
    }
}
