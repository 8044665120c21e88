import CLibCurl

/// The curl options that every transfer has, token requests included.
enum TransferOptions {
    /// False when curl refuses one: it is out of memory, or too old (7.87 is needed).
    static func set(on handle: UnsafeMutableRawPointer, url: String, endpoints: SpotifyEndpoints, largestBody: Int) -> Bool {
        let longest = Int(max(1, endpoints.timeout.wholeMilliseconds))
        var strings = [(CURLOPT_URL, url), (CURLOPT_PROTOCOLS_STR, "http,https"), (CURLOPT_USERAGENT, endpoints.userAgent)]
        // A plain http address is a stand-in or a local relay: never by the environment's proxy, which could not take the target.
        if url.hasPrefix("http://") { strings.append((CURLOPT_PROXY, "")) }
        let longs: [(CURLoption, Int)] = [
            (CURLOPT_TIMEOUT_MS, longest), (CURLOPT_CONNECTTIMEOUT_MS, longest),
            (CURLOPT_SSL_VERIFYPEER, 1), (CURLOPT_SSL_VERIFYHOST, 2), (CURLOPT_SSLVERSION, 6),  // CURL_SSLVERSION_TLSv1_2
            (CURLOPT_HTTP_VERSION, 2),  // CURL_HTTP_VERSION_1_1: one call on a connection at a time, and the gate before each
            (CURLOPT_FOLLOWLOCATION, 0),
            (CURLOPT_NOSIGNAL, 1),  // threads; curl and its TLS write with MSG_NOSIGNAL
            (CURLOPT_TCP_KEEPALIVE, 1), (CURLOPT_TCP_KEEPIDLE, 30), (CURLOPT_TCP_KEEPINTVL, 10),
            (CURLOPT_QUICK_EXIT, 1),  // a name lookup that hangs is not waited for when its transfer has timed out
        ]
        return strings.allSatisfy { ccurl_set_string(handle, $0, $1) == CURLE_OK }
            && longs.allSatisfy { ccurl_set_long(handle, $0, $1) == CURLE_OK }
            && ccurl_set_large(handle, CURLOPT_MAXFILESIZE_LARGE, curl_off_t(largestBody)) == CURLE_OK
    }
}
