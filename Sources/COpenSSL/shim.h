// The headers of libcrypto, and functions for its macros, which Swift cannot call.
#pragma once
// Without it, OPENSSL_memdup puts the path of this file into the program, which would then depend on the folder of the build.
#define OPENSSL_NO_FILENAMES
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static inline int sb_gcm_set_nonce_length(EVP_CIPHER_CTX *ctx, int length) {
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, length, NULL);
}
static inline int sb_gcm_get_tag(EVP_CIPHER_CTX *ctx, int length, void *tag) {
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, length, tag);
}
static inline int sb_gcm_set_tag(EVP_CIPHER_CTX *ctx, int length, const void *tag) {
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, length, (void *)tag);
}

static inline int sb_rsa_set_oaep_padding(EVP_PKEY_CTX *ctx) {
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING);
}
// The salt is as long as the hash (RFC 7518, section 3.5).
static inline int sb_rsa_set_pss_padding(EVP_PKEY_CTX *ctx) {
    int result = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
    return result == 1 ? EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) : result;
}
// Passes a copy of the label, because the context takes ownership of it.
static inline int sb_rsa_set_oaep_label(EVP_PKEY_CTX *ctx, const void *label, int length) {
    void *copy = OPENSSL_memdup(label, (size_t)length);
    if (copy == NULL) return 0;
    int result = EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, length);
    if (result != 1) OPENSSL_free(copy);
    return result;
}
