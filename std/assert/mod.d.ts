export declare function assertEquals<T>(a: T, b: T, msg?: string): void;
