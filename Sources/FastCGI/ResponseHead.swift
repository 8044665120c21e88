extension Response {
    /// Neither a body nor a Content-Length belongs to 1xx, 204 and 304 (RFC 9110 section 8.6).
    private var allowsBody: Bool { status >= 200 && status != 204 && status != 304 }

    var sendsBody: Bool { allowsBody && !omitsBody }

    /// Status line, head and length (RFC 3875 section 6).
    func appendHead(to bytes: inout [UInt8]) {
        bytes.append("Status: ")
        bytes.append(decimal: max(100, min(status, 999)))
        bytes.append(reason)
        bytes.append("\r\n")
        bytes.append(contentsOf: head)
        if allowsBody {
            bytes.append("Content-Length: ")
            bytes.append(decimal: body.count)
            bytes.append("\r\n")
        }
        bytes.append("\r\n")
    }

    /// A space and the reason phrase of the codes an application is likely to use: nginx repeats the Status line as it is.
    private var reason: StaticString {
        switch status {
        case 200: " OK"
        case 201: " Created"
        case 202: " Accepted"
        case 204: " No Content"
        case 301: " Moved Permanently"
        case 302: " Found"
        case 303: " See Other"
        case 304: " Not Modified"
        case 307: " Temporary Redirect"
        case 308: " Permanent Redirect"
        case 400: " Bad Request"
        case 401: " Unauthorized"
        case 403: " Forbidden"
        case 404: " Not Found"
        case 405: " Method Not Allowed"
        case 409: " Conflict"
        case 413: " Content Too Large"
        case 415: " Unsupported Media Type"
        case 422: " Unprocessable Content"
        case 429: " Too Many Requests"
        case 500: " Internal Server Error"
        case 501: " Not Implemented"
        case 502: " Bad Gateway"
        case 503: " Service Unavailable"
        case 504: " Gateway Timeout"
        default: ""
        }
    }
}
