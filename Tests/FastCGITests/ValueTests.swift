import Platform
import Testing

@testable import FastCGI

@Suite("Requests, responses, deadlines") struct ValueTests {
    @Test("a request for tests answers like a real one")
    func request() {
        let request = Request(testing: [("REQUEST_METHOD", "PUT"), ("A", "1"), ("A", "2"), ("AB", "3"), ("EMPTY", "")], body: .bytes([1]))
        #expect(request.method == .put)
        #expect(request.parameter("A") == "1")
        #expect(request.parameters("A") == ["1", "2"])
        #expect(request.parameter("EMPTY") == "")
        #expect(request.parameter("B") == nil)
        #expect(request.withParameter("AB") { Array($0) } == [0x33])
        #expect(request.body == .bytes([1]))
        #expect(Request(testing: []).method == .other(""))
    }

    @Test("methods are case-sensitive")
    func methods() {
        let names: [(String, Method)] = [
            ("GET", .get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete), ("OPTIONS", .options),
            ("PATCH", .patch), ("get", .other("get")), ("PURGE", .other("PURGE")),
        ]
        for (name, method) in names { #expect(Request(testing: [("REQUEST_METHOD", name)]).method == method) }
    }

    @Test("CONTENT_LENGTH is a number, or nothing")
    func contentLength() {
        for (text, length) in [("", 0), ("12", 12), ("-1", 0), ("1 ", 0), ("99999999999999999999", Int.max)] {
            #expect(Request(testing: [("CONTENT_LENGTH", text)]).contentLength == length)
        }
    }

    @Test("a header value that would begin another line is dropped")
    func injection() {
        var response = Response(status: 200, contentType: "text/plain")
        response.add("Location", "/a\r\nSet-Cookie: b")
        response.add("X") { $0 += [0x61, 0] }
        response.add("ETag", "\"é\"")
        #expect(String(decoding: response.head, as: UTF8.self) == "Content-Type: text/plain\r\nETag: \"é\"\r\n")
        #expect(response.header("etag") == "\"é\"")
        #expect(response.header("location") == nil)
    }

    @Test(
        "a control byte is found at every place of a value, and a tab is none",
        arguments: [0, 9, 10, 13, 31, 32, 126, 127, 128, 255] as [UInt8])
    func controlBytes(_ byte: UInt8) {
        let isClean = byte == 9 || byte >= 32 && byte != 127
        for length in 1..<34 {
            for place in 0..<length {
                var value = [UInt8](repeating: 0x80, count: length)
                for other in value.indices where other % 3 == 0 { value[other] = 0x21 }
                value[place] = byte
                var response = Response(status: 200)
                response.add("X") { $0 += value }
                #expect(response.head.isEmpty != isClean, "\(place) of \(length)")
            }
        }
    }

    @Test("the heap yields its elements by deadline, also after removals")
    func heap() {
        final class Element: Sendable {}
        var heap = DeadlineHeap<Element>()
        var expected: [(MonotonicTime, Element)] = []
        for round in 0..<500 {
            let (due, element) = (MonotonicTime(nanoseconds: UInt64((round * 7919) % 1009)), Element())
            let isFirst = heap.insert(element, due: due)
            #expect(isFirst == expected.allSatisfy { due < $0.0 })
            expected.append((due, element))
            if round % 3 == 0 {
                let (_, removed) = expected.remove(at: (round * 31) % expected.count)
                heap.remove(removed)
                heap.remove(removed)
            }
        }
        #expect(heap.count == expected.count)
        for due in expected.map(\.0).sorted() {
            #expect(heap.firstDue == due)
            #expect(!heap.isDue(at: MonotonicTime(nanoseconds: due.nanoseconds &- 1)) && heap.isDue(at: due))
            #expect(heap.takeFirst() != nil)
        }
        #expect(heap.takeFirst() == nil)
    }
}
