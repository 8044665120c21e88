import CLibFCGI
import CSystem
import Glibc
import Logging

/// Writes answers to sockets. Each event thread has one: it puts heads together in memory that it uses again.
final class ResponseWriter {
    /// What became of an attempt to write.
    enum Progress {
        case done
        /// The socket takes no more for now.
        indirect case blocked(UnsentResponse)
        /// The other side is gone, or nobody would take such an answer.
        case failed
    }

    /// What becomes of the connection.
    enum Ending {
        /// As the caller wanted it when it asked.
        case asAsked
        /// It will be closed although the caller wanted it kept.
        ///
        /// FastCGI has no word for this, and a web server that learns it from the close alone may have sent its next request already:
        /// nginx answers 502 to a POST then. nginx does keep a connection only if END_REQUEST is the last thing it has read, so a
        /// harmless management record travels in the same write: it closes the connection by itself, and nothing can cross.
        case leaving
    }

    private let log: Logger
    private var front: [UInt8] = []

    init(log: Logger) { self.log = log }

    /// Sends what the socket takes of an answer, without waiting.
    func write(_ response: Response, to request: UInt16, _ ending: Ending, on descriptor: CInt) -> Progress {
        guard let unsent = UnsentResponse(response, to: request, ending, front: takeFront()) else {
            log.error("an answer has \(response.head.count) bytes of header lines, which nobody takes")
            return .failed
        }
        return write(unsent, on: descriptor)
    }

    /// Goes on with an answer that was blocked.
    func write(_ unsent: consuming UnsentResponse, on descriptor: CInt) -> Progress {
        var unsent = unsent
        let result = unsent.send(on: descriptor)
        if result == 0 {
            front = unsent.front
            return .done
        }
        return result == EAGAIN ? .blocked(unsent) : .failed
    }

    private func takeFront() -> [UInt8] {
        defer { front = [] }
        return front
    }
}

/// An answer's records on their way out (FastCGI Specification 1.0, sections 5.5 and 6.2): FCGI_STDOUT with the header lines and the
/// body, its end, and FCGI_END_REQUEST. What fits one record, and the socket, leaves in one write, and the body is never copied.
struct UnsentResponse {
    /// What goes before the next part of the body: the head of a record, and at first the answer's own.
    fileprivate var front: [UInt8]
    private var frontSent = 0
    private let body: ArraySlice<UInt8>
    /// Offsets into `body`: where what is to be sent next begins, and where what belongs to the record in `front` ends.
    private var next = 0
    private var recordEnd = 0
    private var trailer: Trailer
    private let request: UInt16
    /// It ends a request, as its handler wanted it.
    let isResponse: Bool

    /// A record's content, so that it ends on a boundary of eight bytes (section 3.3 recommends it).
    private static let largestContent = 65_528

    /// nil for header lines that no record takes, which no web server would take either.
    /// - Parameter front: an array to use again.
    init?(_ response: Response, to request: UInt16, _ ending: ResponseWriter.Ending, front given: consuming [UInt8] = []) {
        front = given
        front.removeAll(keepingCapacity: true)
        front.append(contentsOf: repeatElement(0, count: RecordHeader.headerLength))
        response.appendHead(to: &front)
        let head = front.count - RecordHeader.headerLength
        guard head <= Self.largestContent else { return nil }
        body = response.sendsBody ? response.body : []
        recordEnd = min(body.count, Self.largestContent - head)
        trailer = Trailer(request, ending)
        self.request = request
        isResponse = true
        putRecordHead(contentLength: head + recordEnd)
    }

    /// Whole records, which end nothing but themselves.
    init(records: [UInt8]) {
        front = records
        body = []
        trailer = Trailer()
        request = RecordHeader.noRequest
        isResponse = false
    }

    /// Sends what the socket takes. 0 when all is sent, else errno: EAGAIN when the socket takes no more for now.
    fileprivate mutating func send(on descriptor: CInt) -> CInt {
        while true {
            let count = sendOnce(descriptor)
            guard count >= 0 else {
                if count == -Int(EINTR) { continue }
                return CInt(-count)
            }
            advance(by: count)
            guard frontSent == front.count, next == recordEnd else { continue }
            if next < body.count { beginRecord() } else if trailer.isSent { return 0 }
        }
    }

    private func sendOnce(_ descriptor: CInt) -> Int {
        front.withUnsafeBytes { front in
            body.withUnsafeBytes { body in
                trailer.withUnsent { trailer in
                    csys_send_pieces(
                        descriptor, front.baseAddress.map { $0 + frontSent }, front.count - frontSent,
                        body.baseAddress.map { $0 + next }, recordEnd - next,
                        trailer.baseAddress, recordEnd == body.count ? trailer.count : 0)
                }
            }
        }
    }

    private mutating func advance(by count: Int) {
        let ofFront = min(count, front.count - frontSent)
        frontSent += ofFront
        let ofBody = min(count - ofFront, recordEnd - next)
        next += ofBody
        trailer.sent += count - ofFront - ofBody
    }

    private mutating func beginRecord() {
        recordEnd = min(body.count, next + Self.largestContent)
        front.removeAll(keepingCapacity: true)
        front.append(contentsOf: repeatElement(0, count: RecordHeader.headerLength))
        frontSent = 0
        putRecordHead(contentLength: recordEnd - next)
    }

    private mutating func putRecordHead(contentLength: Int) {
        let header = RecordHeader(RecordHeader.standardOutput, of: request, contentLength: contentLength)
        front.withUnsafeMutableBytes { $0.storeBytes(of: header.wire, as: FCGI_Header.self) }
    }

    /// The end of FCGI_STDOUT and FCGI_END_REQUEST, and what may follow.
    private struct Trailer {
        private let records: (FCGI_Header, FCGI_EndRequestRecord, FCGI_UnknownTypeRecord)
        private let count: Int
        var sent = 0

        /// None.
        init() {
            records = (FCGI_Header(), FCGI_EndRequestRecord(), FCGI_UnknownTypeRecord())
            count = 0
        }

        init(_ request: UInt16, _ ending: ResponseWriter.Ending) {
            records = (
                RecordHeader(RecordHeader.standardOutput, of: request, contentLength: 0).wire,
                FCGI_EndRequestRecord(request, FCGI_REQUEST_COMPLETE), FCGI_UnknownTypeRecord(0)
            )
            let most = MemoryLayout.size(ofValue: records)
            count = ending == .leaving ? most : most - MemoryLayout<FCGI_UnknownTypeRecord>.size
        }

        var isSent: Bool { sent == count }

        func withUnsent<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
            withUnsafeBytes(of: records) { body(UnsafeRawBufferPointer(rebasing: $0[sent..<count])) }
        }
    }
}
