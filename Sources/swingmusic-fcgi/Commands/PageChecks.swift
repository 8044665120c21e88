import CLibCurl
import Gateway

/// Our own pages as a browser meets them: where they are, and whether the web client's service worker leaves them to the network.
enum PageCheck {
    private static let subject = "pages"

    /// - Parameter site: what browsers open; `SWINGMUSIC_FCGI_PUBLIC_URL` when nil.
    static func findings(_ settings: Settings, at site: BaseURL?) -> [Finding] {
        guard let site = (site ?? settings.publicURL)?.text else {
            return [.ok(subject, "not looked at: --url names what browsers open, as in --url http://127.0.0.1:8080")]
        }
        let metadata = settings.metadataAuth == .nginx ? [asked(site)] : []
        return [.ok(subject, "the status page is \(site)/swingmusic-fcgi/status"), worker(site)] + metadata
    }

    /// Whether nginx asks the other host who sends a request, and says so: a stranger is refused then, as a stranger.
    private static func asked(_ site: String) -> Finding {
        let (name, url) = ("SWINGMUSIC_FCGI_METADATA_AUTH", site + "/api/catalog/track/none")
        do throws(PageRequest.Failure) {
            let answer = try PageRequest.get(url, header: "Accept: application/json")
            let words = String(decoding: answer.start, as: UTF8.self)
            return switch answer.status {
            case 401 where words.contains("nginx does not say who asks"):
                .error(
                    name, "is nginx, but nginx names nobody to the metadata routes: all are refused",
                    remedy: "include swingmusic-fcgi/metadata-elsewhere.conf in place of metadata.conf (docs/sessions.md)")
            case 401 where words.contains("Unix socket alone"):
                .error(
                    name, "is nginx, but nginx comes over TCP, where nobody is named: all are refused",
                    remedy: "name the Unix socket in swingmusic-fcgi/upstream.conf (docs/sessions.md)")
            case 401 where words.contains("No token provided"): .ok(name, "nginx asks another host who sends a request")
            case 500...599:
                .warning(
                    name, "is nginx, but \(url) is answered \(answer.status): nobody is let in",
                    remedy: "see that the host with swingmusic's folder answers at the address in swingmusic-fcgi/elsewhere.conf")
            default:
                .warning(
                    name, "is nginx, but \(url) is answered \(answer.status) to a stranger",
                    remedy: "see that swingmusic-fcgi/metadata-elsewhere.conf is what nginx includes")
            }
        } catch {
            return .warning(name, "is nginx, but \(url) could not be asked: \(error.reason)", remedy: "see that nginx runs")
        }
    }

    /// The worker of swingmusic's web client answers every page below / with its own. nginx puts lines before it that keep it from ours
    /// (nginx/swingmusic-fcgi/worker.conf); a browser says of a worker's script what it is for, and is believed.
    private static func worker(_ site: String) -> Finding {
        let url = site + "/sw.js"
        do throws(PageRequest.Failure) {
            let answer = try PageRequest.get(url, header: "Service-Worker: script")
            // A page instead of a script, or nothing: this web client has none of that name.
            guard answer.status == 200, answer.start.first != UInt8(ascii: "<") else {
                return answer.status >= 500
                    ? .warning(subject, "\(url) is answered \(answer.status)", remedy: "see that nginx and swingmusic run")
                    : .ok(subject, "the web client has no service worker at \(url)")
            }
            guard answer.start.starts(with: Array("/* swingmusic-fcgi */".utf8)) else {
                return .warning(
                    subject, "the web client's service worker shows its own page for /swingmusic-fcgi/status and /auth/devices",
                    remedy: "copy nginx/swingmusic-fcgi/ of this release over nginx's and reload nginx, then open the web client once more")
            }
            return .ok(subject, "the web client's service worker leaves them to the network")
        } catch {
            return .warning(
                subject, "\(url) could not be asked: \(error.reason)",
                remedy: "see that nginx runs, and that SWINGMUSIC_FCGI_PUBLIC_URL or --url is what browsers open")
        }
    }
}

/// One GET of a public file, with nothing of a user's in it.
private enum PageRequest {
    struct Failure: Error {
        /// curl's words.
        let reason: String
    }

    struct Answer {
        var status = 0
        /// The first bytes of the body.
        var start: [UInt8] = []
    }

    /// How many bytes of a body are kept.
    private static let wanted = 256
    /// Milliseconds for the whole.
    private static let patience = 5000

    /// - Throws: when no answer came, not for an answer that is an error.
    static func get(_ url: String, header: String) throws(Failure) -> Answer {
        guard let handle = curl_easy_init() else { throw Failure(reason: "out of memory") }
        let headers = curl_slist_append(nil, header)
        defer {
            curl_easy_cleanup(handle)
            curl_slist_free_all(headers)
        }
        var answer = Answer()
        let code = withUnsafeMutablePointer(to: &answer.start) { start in
            prepare(handle, url, headers, start) ? curl_easy_perform(handle) : CURLE_FAILED_INIT
        }
        guard code == CURLE_OK else { throw Failure(reason: String(cString: curl_easy_strerror(code))) }
        answer.status = Int(ccurl_info_long(handle, CURLINFO_RESPONSE_CODE))
        return answer
    }

    private static func prepare(
        _ handle: UnsafeMutableRawPointer, _ url: String, _ headers: UnsafeMutablePointer<curl_slist>?,
        _ start: UnsafeMutablePointer<[UInt8]>
    ) -> Bool {
        let codes = [
            ccurl_set_string(handle, CURLOPT_URL, url), ccurl_set_string(handle, CURLOPT_PROTOCOLS_STR, "http,https"),
            ccurl_set_list(handle, CURLOPT_HTTPHEADER, headers), ccurl_set_long(handle, CURLOPT_TIMEOUT_MS, patience),
            ccurl_set_long(handle, CURLOPT_FOLLOWLOCATION, 0), ccurl_set_long(handle, CURLOPT_NOSIGNAL, 1),
            ccurl_set_pointer(handle, CURLOPT_WRITEDATA, start),
            ccurl_set_receiver(handle, CURLOPT_WRITEFUNCTION) { data, size, count, start in
                guard let data, let start = start?.assumingMemoryBound(to: [UInt8].self) else { return 0 }
                let room = max(0, PageRequest.wanted - start.pointee.count)
                start.pointee += UnsafeRawBufferPointer(start: data, count: size * count).prefix(room)
                return size * count
            },
        ]
        return codes.allSatisfy { $0 == CURLE_OK }
    }
}
