"""Says for each of many octet strings whether OpenSSL's own parser takes it.

Starting openssl costs more than all that it then does, so its library is asked, through the functions that its
commands call. Standard input: the form, a line feed, the password, a line feed; then for each file its length in four
octets and the file. Standard output: for each a 1 or a 0.
"""

import ctypes
import ctypes.util
import struct
import sys

lib = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
POINTER = ctypes.c_void_p


def function(name, result=POINTER, *arguments):
    f = getattr(lib, name)
    f.restype, f.argtypes = result, list(arguments)
    return f


def d2i(kind):
    parse = function("d2i_" + kind, POINTER, POINTER, ctypes.POINTER(POINTER), ctypes.c_long)
    free = function(kind + "_free", None, POINTER)

    def read(data):
        kept = ctypes.create_string_buffer(data, len(data))
        place = POINTER(ctypes.addressof(kept))
        return parse(None, ctypes.byref(place), len(data)), free

    return read


def takes(kind, judge):
    read = d2i(kind)

    def take(data):
        made, free = read(data)
        if not made:
            return False
        try:
            return judge(made)
        finally:
            free(made)

    return take


key_free = function("EVP_PKEY_free", None, POINTER)
bio_new = function("BIO_new_mem_buf", POINTER, ctypes.c_char_p, ctypes.c_int)
bio_free = function("BIO_free", ctypes.c_int, POINTER)


def with_key(getter):
    get = function(getter, POINTER, POINTER)

    def judge(made, verify=None):
        key = get(made)
        if not key:
            return False
        try:
            return verify is None or verify(made, key) > 0
        finally:
            key_free(key)

    return judge


certificate_key = with_key("X509_get_pubkey")
request_key = with_key("X509_REQ_get_pubkey")
request_verify = function("X509_REQ_verify", ctypes.c_int, POINTER, POINTER)
key_auto = function("d2i_AutoPrivateKey", POINTER, ctypes.POINTER(POINTER), ctypes.POINTER(POINTER), ctypes.c_long)
key_context = function("EVP_PKEY_CTX_new", POINTER, POINTER, POINTER)
key_context_free = function("EVP_PKEY_CTX_free", None, POINTER)
key_check = function("EVP_PKEY_check", ctypes.c_int, POINTER)
pem_certificate = function("PEM_read_bio_X509", POINTER, POINTER, POINTER, POINTER, POINTER)
certificate_free = function("X509_free", None, POINTER)
pfx_parse = function("PKCS12_parse", ctypes.c_int, POINTER, ctypes.c_char_p, ctypes.POINTER(POINTER), ctypes.POINTER(POINTER), ctypes.POINTER(POINTER))
object_of_nid = function("OBJ_obj2nid", ctypes.c_int, POINTER)
ocsp_status = function("OCSP_response_status", ctypes.c_int, POINTER)
ocsp_basic = function("OCSP_response_get1_basic", POINTER, POINTER)
ocsp_basic_free = function("OCSP_BASICRESP_free", None, POINTER)


def take_key(data):
    kept = ctypes.create_string_buffer(data, len(data))
    place = POINTER(ctypes.addressof(kept))
    key = key_auto(None, ctypes.byref(place), len(data))
    if not key:
        return False
    context = key_context(key, None)
    try:
        return key_check(context) > 0
    finally:
        key_context_free(context)
        key_free(key)


def take_pem(data):
    bio = bio_new(data, len(data))
    try:
        made = pem_certificate(bio, None, None, None)
        if not made:
            return False
        try:
            return certificate_key(made)
        finally:
            certificate_free(made)
    finally:
        bio_free(bio)


def judge_pfx(password):
    def judge(made):
        key, cert, chain = POINTER(), POINTER(), POINTER()
        return pfx_parse(made, password, ctypes.byref(key), ctypes.byref(cert), ctypes.byref(chain)) > 0

    return judge


def judge_ocsp(made):
    if ocsp_status(made) != 0:
        return False
    basic = ocsp_basic(made)
    if basic:
        ocsp_basic_free(basic)
    return bool(basic)


SIGNED_DATA = 22


class PKCS7(ctypes.Structure):
    _fields_ = [("asn1", POINTER), ("length", ctypes.c_long), ("state", ctypes.c_int), ("detached", ctypes.c_int), ("type", POINTER)]


def main():
    source = sys.stdin.buffer
    form, password = source.readline()[:-1].decode(), source.readline()[:-1]
    take = {
        "certificate": lambda: takes("X509", certificate_key),
        "request": lambda: takes("X509_REQ", lambda made: request_key(made, request_verify)),
        "CRL": lambda: takes("X509_CRL", lambda made: True),
        "P7B": lambda: takes("PKCS7", lambda made: object_of_nid(PKCS7.from_address(made).type) == SIGNED_DATA),
        "PFX": lambda: takes("PKCS12", judge_pfx(password)),
        "OCSP response": lambda: takes("OCSP_RESPONSE", judge_ocsp),
        "key": lambda: take_key,
        "PEM": lambda: take_pem,
    }[form]()
    clear = function("ERR_clear_error", None)
    while head := source.read(4):
        (length,) = struct.unpack(">I", head)
        sys.stdout.write("1" if take(source.read(length)) else "0")
        clear()


main()
