import CLibFCGI

/// The head of a record (FastCGI Specification 1.0, section 3.3). Numbers and layouts are those of libfcgi's fastcgi.h.
struct RecordHeader {
    static var headerLength: Int { MemoryLayout<FCGI_Header>.size }

    static var version: UInt8 { UInt8(truncatingIfNeeded: FCGI_VERSION_1) }
    static var beginRequest: UInt8 { UInt8(truncatingIfNeeded: FCGI_BEGIN_REQUEST) }
    static var abortRequest: UInt8 { UInt8(truncatingIfNeeded: FCGI_ABORT_REQUEST) }
    static var endRequest: UInt8 { UInt8(truncatingIfNeeded: FCGI_END_REQUEST) }
    static var parameters: UInt8 { UInt8(truncatingIfNeeded: FCGI_PARAMS) }
    static var standardInput: UInt8 { UInt8(truncatingIfNeeded: FCGI_STDIN) }
    static var standardOutput: UInt8 { UInt8(truncatingIfNeeded: FCGI_STDOUT) }
    static var data: UInt8 { UInt8(truncatingIfNeeded: FCGI_DATA) }
    static var getValues: UInt8 { UInt8(truncatingIfNeeded: FCGI_GET_VALUES) }
    static var getValuesResult: UInt8 { UInt8(truncatingIfNeeded: FCGI_GET_VALUES_RESULT) }
    static var unknownType: UInt8 { UInt8(truncatingIfNeeded: FCGI_UNKNOWN_TYPE) }
    /// The request of a management record (section 3.3).
    static var noRequest: UInt16 { UInt16(truncatingIfNeeded: FCGI_NULL_REQUEST_ID) }

    /// As it travels.
    let wire: FCGI_Header

    /// The head at an offset, which must leave 8 bytes.
    init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        wire = bytes.loadUnaligned(fromByteOffset: offset, as: FCGI_Header.self)
    }

    /// - Parameters: of content and padding, at most 65,535 and 255 bytes.
    init(_ type: UInt8, of request: UInt16, contentLength: Int, paddingLength: Int = 0) {
        wire = FCGI_Header(
            version: Self.version, type: type, requestIdB1: UInt8(request >> 8), requestIdB0: UInt8(request & 0xff),
            contentLengthB1: UInt8(truncatingIfNeeded: contentLength >> 8), contentLengthB0: UInt8(truncatingIfNeeded: contentLength),
            paddingLength: UInt8(truncatingIfNeeded: paddingLength), reserved: 0)
    }

    var version: UInt8 { wire.version }
    var type: UInt8 { wire.type }
    var request: UInt16 { UInt16(wire.requestIdB1) << 8 | UInt16(wire.requestIdB0) }
    var contentLength: Int { Int(wire.contentLengthB1) << 8 | Int(wire.contentLengthB0) }
    var paddingLength: Int { Int(wire.paddingLength) }
    /// With content and padding.
    var recordLength: Int { Self.headerLength + contentLength + paddingLength }

    func belongs(to request: UInt16, as type: UInt8) -> Bool {
        version == Self.version && self.type == type && self.request == request
    }
}

extension FCGI_BeginRequestBody {
    /// The body at an offset, which must leave 8 bytes (section 5.1).
    init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        self = bytes.loadUnaligned(fromByteOffset: offset, as: FCGI_BeginRequestBody.self)
    }

    var isResponder: Bool { Int32(roleB1) << 8 | Int32(roleB0) == FCGI_RESPONDER }
    /// The web server wants the connection kept.
    var isKept: Bool { Int32(flags) & FCGI_KEEP_CONN != 0 }
}

extension FCGI_EndRequestRecord {
    /// The end of a request, with the application's status 0 (section 5.5).
    /// - Parameter status: FCGI_REQUEST_COMPLETE, or why there is no answer.
    init(_ request: UInt16, _ status: CInt) {
        let header = RecordHeader(
            RecordHeader.endRequest, of: request, contentLength: MemoryLayout<FCGI_EndRequestBody>.size)
        var body = FCGI_EndRequestBody()
        body.protocolStatus = UInt8(truncatingIfNeeded: status)
        self.init(header: header.wire, body: body)
    }
}

extension FCGI_UnknownTypeRecord {
    /// "A management record of this type is unknown here" (section 4.2).
    init(_ type: UInt8) {
        let header = RecordHeader(
            RecordHeader.unknownType, of: RecordHeader.noRequest, contentLength: MemoryLayout<FCGI_UnknownTypeBody>.size)
        var body = FCGI_UnknownTypeBody()
        body.type = type
        self.init(header: header.wire, body: body)
    }
}

extension [UInt8] {
    /// Appends one of fastcgi.h's structures, which are bytes without gaps.
    mutating func append<Record: BitwiseCopyable>(record: Record) {
        Swift.withUnsafeBytes(of: record) { append(contentsOf: $0) }
    }
}
