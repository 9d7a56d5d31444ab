(* The derivative of the risk R in every parameter: for any map B that has a derivative, for the
   normalisation in training, without normalisation, and for given statistics. *)
Require Import Reals Lra Lia List FunctionalExtensionality.
From Coquelicot Require Import Coquelicot.
From bnorm Require Import Definitions Sums Frechet Column Backward WeightSpace Panel.
Import ListNotations.
Open Scope R_scope.

(* --------------------------------------------------------------------- any map B *)
Section Output.
Variables (m : model) (B : point -> nat -> nat -> R) (l : list coord) (q : point).
Variable DB : nat -> nat -> point -> R.
Hypothesis HQ : projection m.
Hypothesis Ha : forall b, reached m B q b -> is_derive (a m) b (a' m b).
Hypothesis HB : forall i j, (i < N (of m))%nat -> (j < p2 m)%nat ->
  frechet l (fun q => B q i j) q (DB i j).
Hypothesis HG2 : forall j, (j < p2 m)%nat -> In (cG2 j) l.
Hypothesis Htheta : forall k, (k < p0 m)%nat -> In (ctheta k) l.

Lemma frechet_yhat i : (i < N (of m))%nat -> frechet l (fun q => yhat m B q i) q (fun h =>
  (∑ j < (p2 m), (a' m (B q i j) * DB i j h * q (cG2 j) + V m B q i j * h (cG2 j)))
  + ∑ k < (p0 m), P m i k * h (ctheta k)).
Proof.
  intros Hi. apply frechet_plus.
  - apply frechet_rsum. intros j Hj.
    apply (frechet_mult (fun q => V m B q i j) (fun q => q (cG2 j)) q
             (fun h => a' m (B q i j) * DB i j h)); [|now apply frechet_coord, HG2].
    apply (frechet_comp (a m)); [|now apply HB]. apply Ha. now exists i, j.
  - apply frechet_rsum. intros k Hk. now apply frechet_scal, (frechet_coord (ctheta k)), Htheta.
Qed.

Theorem frechet_risk : frechet l (risk m B) q (fun h =>
  (∑ j < (p2 m), ((∑ i < (N (of m)), W m B q j i * DB i j h) + dG2 m B q j * h (cG2 j)))
  + ∑ k < (p0 m), dtheta m B q k * h (ctheta k)).
Proof.
  eapply frechet_eq.
  - exact (frechet_squares m HQ l (yhat m B) q _ frechet_yhat).
  - intros h. cbv beta.
    rewrite (rsum_ext (N (of m)) _ (fun i =>
        (∑ j < (p2 m), (W m B q j i * DB i j h + V m B q i j * D m B q i * h (cG2 j)))
        + ∑ k < (p0 m), P m i k * D m B q i * h (ctheta k))).
    + rewrite rsum_plus. f_equal; rewrite rsum_swap; apply rsum_ext; intros k _.
      * rewrite rsum_plus, rsum_scal_r. reflexivity.
      * now rewrite rsum_scal_r.
    + intros i _. change (-2 * omega (of m) i * _ / n (of m)) with (D m B q i).
      rewrite Rmult_plus_distr_l, <- !rsum_scal_l.
      f_equal; apply rsum_ext; intros; unfold W; ring.
Qed.
End Output.

(* --------------------------------------------------------------------- in training *)
Theorem network_frechet m q : legal (of m) -> projection m -> regular_at m q ->
  (forall b, reached m (B m) q b -> is_derive (a m) b (a' m b)) ->
  frechet (net_coords (p0 m) (p1 m) (p2 m)) (risk m (B m)) q (fun h =>
    (∑ j < (p2 m), ((∑ k < (p1 m), dR_dG1 m q k j * h (cG1 k j))
       + dR_dgamma m q j * h (cgamma j) + dR_dbeta m q j * h (cbeta j)
       + dG2 m (B m) q j * h (cG2 j)))
    + ∑ k < (p0 m), dtheta m (B m) q k * h (ctheta k)).
Proof.
  intros Hs HQ Hq Ha. set (l := net_coords (p0 m) (p1 m) (p2 m)). eapply frechet_eq.
  - apply (frechet_risk m (B m) l q (fun i j h => tangent (of m) (q (cgamma j)) (zcol m q j)
      (lin (p1 m) (X m) (g1 h j)) (h (cgamma j)) (h (cbeta j)) i)); auto.
    + intros i j Hi Hj. destruct (net_in_column (p0 m) (p1 m) (p2 m) j Hj) as [Lg [Lb _]].
      apply (frechet_bn (of m) Hs l (fun q => zcol m q j) q
               (fun i h => lin (p1 m) (X m) (g1 h j) i)); auto; try now apply frechet_coord.
      intros k _. apply frechet_lin. intros k' Hk'. now apply net_in_G1.
    + intros j Hj. now apply net_in_column.
    + intros k Hk. now apply net_in_theta.
  - intros h. cbv beta. f_equal. apply rsum_ext. intros j Hj. f_equal.
    rewrite adjoint, X_adjoint by auto. f_equal. f_equal. apply rsum_ext. intros k _. f_equal.
    apply dg_is_X_dz; [exact Hs|exact (Hq j Hj)].
Qed.

(* ---------------------------------------------------------------- partial derivatives *)
Section Partials.
Variables (m : model) (q : point).
Hypothesis Hs : legal (of m).
Hypothesis HQ : projection m.
Hypothesis Hq : regular_at m q.
Hypothesis Ha : forall b, reached m (B m) q b -> is_derive (a m) b (a' m b).
Let partial (c : coord) :=
  frechet_partial coord_eq_dec _ q _ c (network_frechet m q Hs HQ Hq Ha).

Theorem network_G1 k j : (k < p1 m)%nat -> (j < p2 m)%nat ->
  is_derive (fun t : R => risk m (B m) (set q (cG1 k j) t)) (q (cG1 k j)) (dR_dG1 m q k j).
Proof.
  intros Hk Hj. eapply is_derive_eq; [exact (partial (cG1 k j))|]. cbv beta.
  rewrite (rsum_pick (p2 m) j) by (try exact Hj; intros; rewrite rsum_zero; intros; unit_vector).
  rewrite (rsum_pick (p1 m) k) by (try exact Hk; intros; unit_vector).
  rewrite rsum_zero by (intros; unit_vector). unit_vector.
Qed.

Theorem network_gamma j : (j < p2 m)%nat ->
  is_derive (fun t : R => risk m (B m) (set q (cgamma j) t)) (q (cgamma j)) (dR_dgamma m q j).
Proof.
  intros Hj. eapply is_derive_eq; [exact (partial (cgamma j))|]. cbv beta.
  rewrite (rsum_pick (p2 m) j) by (try exact Hj; intros; rewrite rsum_zero; intros; unit_vector).
  rewrite !rsum_zero by (intros; unit_vector). unit_vector.
Qed.

Theorem network_beta j : (j < p2 m)%nat ->
  is_derive (fun t : R => risk m (B m) (set q (cbeta j) t)) (q (cbeta j)) (dR_dbeta m q j).
Proof.
  intros Hj. eapply is_derive_eq; [exact (partial (cbeta j))|]. cbv beta.
  rewrite (rsum_pick (p2 m) j) by (try exact Hj; intros; rewrite rsum_zero; intros; unit_vector).
  rewrite !rsum_zero by (intros; unit_vector). unit_vector.
Qed.

Theorem network_G2 j : (j < p2 m)%nat ->
  is_derive (fun t : R => risk m (B m) (set q (cG2 j) t)) (q (cG2 j)) (dG2 m (B m) q j).
Proof.
  intros Hj. eapply is_derive_eq; [exact (partial (cG2 j))|]. cbv beta.
  rewrite (rsum_pick (p2 m) j) by (try exact Hj; intros; rewrite rsum_zero; intros; unit_vector).
  rewrite !rsum_zero by (intros; unit_vector). unit_vector.
Qed.
End Partials.

(* ------------------------------------------------------------ without normalisation *)
Theorem plain_frechet m q : projection m ->
  (forall b, reached m (B_plain m) q b -> is_derive (a m) b (a' m b)) ->
  frechet (net_coords (p0 m) (p1 m) (p2 m)) (risk m (B_plain m)) q (fun h =>
    (∑ j < (p2 m),
      ((∑ k < (p1 m), (∑ i < (N (of m)), X m i k * W m (B_plain m) q j i) * h (cG1 k j))
       + dG2 m (B_plain m) q j * h (cG2 j)))
    + ∑ l < (p0 m), dtheta m (B_plain m) q l * h (ctheta l)).
Proof.
  intros HQ Ha. eapply frechet_eq.
  - apply (frechet_risk m (B_plain m) _ q (fun i j h => lin (p1 m) (X m) (g1 h j) i) HQ Ha).
    + intros i j _ Hj. apply frechet_lin. intros k Hk. now apply net_in_G1.
    + intros j Hj. now apply net_in_column.
    + intros l Hl. now apply net_in_theta.
  - intros h. cbv beta. f_equal. apply rsum_ext. intros j _. now rewrite X_adjoint.
Qed.

(* ------------------------------------------------------------- with given statistics *)
Section Frozen.
Variables (m : model) (mean sd : nat -> R) (q : point).
Hypothesis HQ : projection m.
Hypothesis Ha : forall b, reached m (B_frozen m mean sd) q b -> is_derive (a m) b (a' m b).
Let w := W m (B_frozen m mean sd) q.

Let DB (i j : nat) (h : point) : R := (zcol m q j i - mean j) / sd j * h (cgamma j)
  + q (cgamma j) / sd j * lin (p1 m) (X m) (g1 h j) i + h (cbeta j).

Lemma frechet_B_frozen i j : (j < p2 m)%nat ->
  frechet (net_coords (p0 m) (p1 m) (p2 m)) (fun q => B_frozen m mean sd q i j) q (DB i j).
Proof.
  intros Hj. destruct (net_in_column (p0 m) (p1 m) (p2 m) j Hj) as [Lg [Lb _]].
  unfold B_frozen. eapply frechet_eq.
  - apply frechet_plus; [|now apply (frechet_coord (cbeta j))].
    apply frechet_mult; [now apply (frechet_coord (cgamma j))|].
    apply (frechet_ext _ (fun q => / sd j * (zcol m q j i - mean j)));
      [intros; unfold Rdiv; ring|].
    apply frechet_scal, frechet_minus; [|apply frechet_const].
    apply frechet_lin. intros k Hk. now apply net_in_G1.
  - intros h. unfold DB, Rdiv. ring.
Qed.

Theorem frozen_G1 k j : (k < p1 m)%nat -> (j < p2 m)%nat ->
  is_derive (fun t : R => risk m (B_frozen m mean sd) (set q (cG1 k j) t)) (q (cG1 k j))
    (∑ i < (N (of m)), X m i k * (w j i * (q (cgamma j) / sd j))).
Proof.
  intros Hk Hj. eapply is_derive_eq.
  - eapply (frechet_partial (l := net_coords (p0 m) (p1 m) (p2 m)) coord_eq_dec (risk m _) q).
    apply (frechet_risk m (B_frozen m mean sd) _ q DB HQ Ha).
    + intros i j' _ Hj'. now apply frechet_B_frozen.
    + intros j' Hj'. now apply net_in_column.
    + intros l Hl. now apply net_in_theta.
  - cbv beta. fold w. unfold DB.
    rewrite (rsum_zero (p0 m)) by (intros; unit_vector).
    rewrite (rsum_pick (p2 m) j); [|exact Hj|].
    + rewrite Rplus_0_r.
      replace (dG2 m (B_frozen m mean sd) q j * unit_vector coord_eq_dec (cG1 k j) (cG2 j)) with 0
        by unit_vector.
      rewrite Rplus_0_r. apply rsum_ext. intros i _. unfold lin, g1.
      rewrite (rsum_pick (p1 m) k) by (try exact Hk; intros; unit_vector). unit_vector.
    + intros j' _ Hne. rewrite rsum_zero; [unit_vector|]. intros i _. unfold lin, g1.
      rewrite rsum_zero by (intros; unit_vector). unit_vector.
Qed.
End Frozen.
