import CLibFCGI
import Glibc

/// Looks for the end of a parked request (FCGI_ABORT_REQUEST) in what comes behind it, in whatever pieces: alone, or behind records that are no
/// part of the request. Whatever comes is kept, and looked at after the answer.
struct AbortSearch {
    /// All that has come behind the request.
    private(set) var bytes: [UInt8]
    /// The web server has ended the request.
    private(set) var isFound = false
    private let request: UInt16
    /// Where the next record begins, which may be beyond what has come.
    private var position = 0
    /// What comes next says no more of the request: another one has its number, or it is no FastCGI.
    private var isBeyond = false

    /// As much as is taken in while a request is parked; the rest waits with the caller. What had come with the request may be more.
    static let most = 16 * 1024

    /// - Parameter bytes: what has come already.
    init(for request: UInt16, behind bytes: [UInt8]) {
        self.request = request
        self.bytes = bytes
        walk()
    }

    /// Nothing more is to be taken.
    var isOver: Bool { isFound || isBeyond || bytes.count >= Self.most }

    /// Takes what has arrived, without waiting. Answers as recv(2) does.
    mutating func receive(from descriptor: CInt) -> Int {
        let room = min(4096, Self.most - bytes.count)
        let count = withUnsafeTemporaryAllocation(byteCount: room, alignment: 1) { memory in
            let count = recv(descriptor, memory.baseAddress, room, CInt(MSG_DONTWAIT))
            if count > 0 { bytes.append(contentsOf: memory[..<count]) }
            return count
        }
        if count > 0 { walk() }
        return count
    }

    private mutating func walk() {
        while !isFound, !isBeyond, position + RecordHeader.headerLength <= min(bytes.count, Self.most) {
            let header = bytes.withUnsafeBytes { RecordHeader($0, at: position) }
            isFound = header.belongs(to: request, as: RecordHeader.abortRequest)
            isBeyond = header.version != RecordHeader.version || header.belongs(to: request, as: RecordHeader.beginRequest)
            if !isFound { position += header.recordLength }
        }
    }
}
