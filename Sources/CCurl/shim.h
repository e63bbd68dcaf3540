// libcurl, and typed wrappers of its variadic functions, which Swift cannot call; and of OpenSSL, with which libcurl speaks TLS,
// the version of a connection.
#pragma once
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// libcurl copies headers and bodies into its own heap blocks: sent requests, header lists, receive buffers. With these
// functions it zeroes every block before it frees it.
static inline void sb_wiping_free(void *block) {
    if (!block) return;
    explicit_bzero(block, malloc_usable_size(block));
    free(block);
}

static inline void *sb_wiping_realloc(void *block, size_t size) {
    void *grown = malloc(size ? size : 1);
    if (!grown || !block) return grown;
    size_t old_size = malloc_usable_size(block);
    memcpy(grown, block, old_size < size ? old_size : size);
    sb_wiping_free(block);
    return grown;
}

static inline CURLcode sb_curl_global_init(void) {
    return curl_global_init_mem(
        CURL_GLOBAL_DEFAULT, malloc, sb_wiping_free, sb_wiping_realloc, strdup, calloc);
}

static inline CURLcode sb_easy_set_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode sb_easy_set_offset(CURL *easy, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode sb_easy_set_string(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode sb_easy_set_pointer(CURL *easy, CURLoption option, void *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode sb_easy_set_callback(CURL *easy, CURLoption option, curl_write_callback value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode sb_easy_set_prereq(CURL *easy, curl_prereq_callback callback, void *context) {
    CURLcode result = curl_easy_setopt(easy, CURLOPT_PREREQDATA, context);
    return result == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, callback) : result;
}

/// The memory is not copied: it must outlive the transfer.
static inline CURLcode sb_easy_set_blob(CURL *easy, CURLoption option, const void *data, size_t length) {
    struct curl_blob blob = {(void *)data, length, CURL_BLOB_NOCOPY};
    return curl_easy_setopt(easy, option, &blob);
}

/// Restricts URLs to http and https. The library that is loaded at run time may be older than these headers.
static inline CURLcode sb_easy_allow_http_only(CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
    CURLcode result = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (result != CURLE_UNKNOWN_OPTION) return result;
#endif
    // CURLOPT_PROTOCOLS, whose name is deprecated, with CURLPROTO_HTTP and CURLPROTO_HTTPS.
    return curl_easy_setopt(easy, (CURLoption)(CURLOPTTYPE_LONG + 181), 3L);
}

/// Lets the removal of a transfer return while the resolver's thread still runs. That thread frees its memory when
/// getaddrinfo returns.
static inline CURLcode sb_easy_quick_exit(CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075700
    CURLcode result = curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    return result == CURLE_UNKNOWN_OPTION ? CURLE_OK : result;
#else
    (void)easy;
    return CURLE_OK;
#endif
}

/// The time that sent data may stay unacknowledged before the kernel closes the connection.
enum { SB_TCP_USER_TIMEOUT_MS = 20000 };

static inline int sb_prepare_socket(void *context, curl_socket_t fd, curlsocktype purpose) {
    (void)context;
    (void)purpose;
    unsigned int timeout = SB_TCP_USER_TIMEOUT_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
    // Child processes (credential plugins) must not inherit connections.
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return CURL_SOCKOPT_OK;
}

static inline CURLcode sb_easy_prepare_sockets(CURL *easy) {
    return curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, sb_prepare_socket);
}

static inline CURLcode sb_easy_get_pointer(CURL *easy, CURLINFO info, void **value) {
    return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode sb_easy_get_long(CURL *easy, CURLINFO info, long *value) {
    return curl_easy_getinfo(easy, info, value);
}

/// Returns true if the connection of a transfer in progress has negotiated HTTP/2 (RFC 9113, section 3.2).
static inline bool sb_easy_negotiated_http2(CURL *easy) {
    struct curl_tlssessioninfo *session = NULL;
    CURLcode result = curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session);
    if (result != CURLE_OK || !session || session->backend != CURLSSLBACKEND_OPENSSL || !session->internals) return false;
    const unsigned char *name = NULL;
    unsigned int length = 0;
    SSL_get0_alpn_selected((const SSL *)session->internals, &name, &length);
    return length == 2 && memcmp(name, "h2", 2) == 0;
}

static inline CURLMcode sb_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}
